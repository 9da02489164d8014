"""Labels and values as text that a page can show: without control characters, and of limited length."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Mapping
from typing import Any

# Tabs and line breaks are harmless in HTML.
_KEPT = "\t\n"
# Control characters, and those without a glyph, some of which reverse what follows.
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def visible(text: str) -> str:
    r"""Return a text in which control characters and others without a glyph are spelled out.

    Example:
        >>> print(visible("\x1b[31mconv1"))
        \x1b[31mconv1
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character in _KEPT or unicodedata.category(character) not in _HIDDEN
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def shown(value: Any, width: int = 400) -> str:
    """Return a value as the text of a cell, at most `width` characters of it.

    Example:
        >>> shown(1234), shown(0.123456789), shown(None), shown({"a": True}), shown("x" * 9, width=4)
        ('1,234', '0.123457', '-', 'a yes', 'xxxx… (9 characters)')
    """
    text = visible(_text(value))
    return text if len(text) <= width else f"{text[:width]}… ({len(text):,} characters)"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return str(value)


def percent(share: float | None, digits: int = 2) -> str | None:
    """Return a share in percent; None stays None.

    Example:
        >>> percent(0.0991), percent(None)
        ('9.91 %', None)
    """
    return None if share is None else f"{100 * share:.{digits}f} %"


def label(text: object, width: int = 80) -> str:
    """Return a label for a chart, whose library reads tags and entities in texts: escaped, and shortened in the middle.

    Example:
        >>> label("<b>[red]</b>"), label("layers.10.blocks.11.conv", width=13)
        ('&lt;b&gt;[red]&lt;/b&gt;', 'layers…1.conv')
    """
    found = visible(str(text)).replace("\n", " ")
    if len(found) > width:
        half = (width - 1) // 2
        found = f"{found[: width - 1 - half]}…{found[len(found) - half :]}"
    return html.escape(found, quote=False)

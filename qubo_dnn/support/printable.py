"""Texts from elsewhere, such as names of layers and variables, as a terminal may show them."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Escape what a terminal would obey or could not show: control characters, line breaks, directions of writing.

    Example:
        >>> print(printable("a\x1b[31mb\n\u202ec"))
        a\x1b[31mb\n\u202ec
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)

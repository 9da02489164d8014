"""Docstrings in Google style as Markdown, and their parts."""

from __future__ import annotations

import re
import textwrap

_SECTION = re.compile(r"(Args|Attributes|Returns|Yields|Raises|Example):\n((?:(?:    .*)?\n)*)")
_ENTRY = re.compile(r"^(\**[\w.]+): (.*(?:\n +.*)*)", re.MULTILINE)
# Paragraphs that begin with such words get them in bold.
_LABEL = re.compile(r"^([A-Z][\w ]{2,30}(?:, if [^:`\n]+)?)(?=: )", re.MULTILINE)


def prose(text: str) -> str:
    r"""Text with every character escaped that Markdown would take for markup; code in backticks stays.

    Example:
        >>> prose("the sum of `a_i` and b_i*")
        'the sum of `a_i` and b\\_i\\*'
    """
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_<>\[\]$|{}])", r"\\\1", part)
        for part in re.split(r"(`[^`\n]*(?:\n[^`\n]*)?`)", text)
    )


def entries(body: str) -> dict[str, str]:
    r"""The names in a section such as `Args`, each with its words.

    Example:
        >>> entries("a: one,\n    or more.\nb: two.")
        {'a': 'one, or more.', 'b': 'two.'}
    """
    return {name.lstrip("*"): " ".join(words.split()) for name, words in _ENTRY.findall(body)}


def sections(docstring: str) -> dict[str, str]:
    r"""The sections of a docstring by their headings, and under "" what stands before, between and after them.

    Example:
        >>> sections("Do it.\n\nArgs:\n    a: one.\n\nSource: a book.\n")
        {'': 'Do it.\n\nSource: a book.', 'Args': 'a: one.'}
    """
    found: dict[str, str] = {}

    def taken(match: re.Match[str]) -> str:
        found[match[1]] = textwrap.dedent(match[2]).strip("\n")
        return ""

    text = _SECTION.sub(taken, f"{docstring.strip()}\n")
    return {"": re.sub(r"\n{3,}", "\n\n", text).strip(), **found}


def markdown(docstring: str) -> str:
    """A docstring as Markdown: text, a table or list per section, and the example as code."""
    parts = sections(docstring)
    text = [_body(parts.pop(""))]
    for name, body in parts.items():
        if name == "Example":
            text.append(f"```pycon\n{body}\n```")
            continue
        listed = entries(body) if name in ("Args", "Attributes", "Raises") else {}
        lines = [f"- `{key}`: {prose(words)}" for key, words in listed.items()] or [_body(body)]
        name = "Arguments" if name == "Args" else name
        text.append(f"**{name}**\n\n" + "\n".join(lines))
    return "\n\n".join(each for each in text if each)


def _body(text: str) -> str:
    """Paragraphs, with indented blocks as code, and with labels in bold."""
    blocks = []
    for block in re.split(r"\n\n", text):
        if block.startswith("    "):
            blocks.append(f"```text\n{textwrap.dedent(block)}\n```")
        else:
            # Lines that begin a new thought begin a new line on the page, too.
            blocks.append(_LABEL.sub(r"\n**\1**", prose(block)).strip())
    return "\n\n".join(blocks)

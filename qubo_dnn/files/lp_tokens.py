"""The words of an LP file, with their lines; see `qubo_dnn.files.lp` for the grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from qubo_dnn.files.text import TextFile

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z!\"#$%&(),;?@_`'{}~|][A-Za-z0-9!\"#$%&(),;?@_`'{}~|.\[\]]*)"
    r"|(?P<relation><=|>=|=<|=>|<|>|=)|(?P<mark>[-+*^\[\]/:]))"
)
_RELATIONS = {"=<": "<=", "<": "<=", "=>": ">=", ">": ">="}
_SECTIONS = {
    "minimize": ("minimize", "minimise", "minimum", "min"),
    "maximize": ("maximize", "maximise", "maximum", "max"),
    "constraints": ("subject to", "such that", "st", "s.t.", "st."),
    "bounds": ("bounds", "bound"),
    "binary": ("binary", "binaries", "bin"),
    "integer": ("general", "generals", "gen", "integer", "integers", "int"),
    "end": ("end",),
    "other": ("semi-continuous", "semis", "semi", "sos", "sos1", "sos2", "lazy constraints", "user cuts"),
}
_KINDS = {word: kind for kind, words in _SECTIONS.items() for word in words}


@dataclass(frozen=True)
class Token:
    """A word: its kind ("number", "name", "relation", "section", "end of file", or the mark itself), text and line."""

    kind: str
    text: str
    line: int


@dataclass(frozen=True)
class Section:
    """The start of a section: which, as it is written, and its line."""

    kind: str
    text: str
    line: int


class Tokens:
    """A file word by word, looking ahead up to two words.

    Args:
        file: to be read.
    """

    def __init__(self, file: TextFile) -> None:
        self.file = file
        self.last_kind = ""
        self._ahead: list[Token] = []
        self._words = self._split()

    @property
    def line(self) -> int:
        """Where the next word stands."""
        return self._look(0).line

    @property
    def ended(self) -> bool:
        """Whether there is no further word."""
        return self._look(0).kind == "end of file"

    def peek_kind(self) -> str:
        """Kind of the next word."""
        return self._look(0).kind

    def peek(self) -> str:
        """The next word, for messages."""
        token = self._look(0)
        return token.kind if token.kind == "end of file" else repr(token.text)

    def kinds(self, count: int) -> list[str]:
        """Kinds of the next words."""
        return [self._look(index).kind for index in range(count)]

    def at_section(self) -> bool:
        """Whether a section starts here, or the file ends."""
        return self.peek_kind() in ("section", "end of file")

    def section(self) -> Section | None:
        """The section that starts here, taken; None if none does."""
        if self.peek_kind() != "section":
            return None
        token = self.take("section")
        return Section(_KINDS[token.text.lower()], token.text, token.line)

    def take(self, kind: str) -> Token:
        """The next word, which has to be of a kind.

        Raises:
            FileFormatError: it is not.
        """
        token = self._look(0)
        if token.kind != kind:
            raise self.file.error(f"expected {kind}, found {self.peek()}", token.line)
        self._ahead.pop(0)
        self.last_kind = kind
        return token

    def _look(self, index: int) -> Token:
        while len(self._ahead) <= index:
            self._ahead.append(next(self._words))
        return self._ahead[index]

    def _split(self) -> Iterator[Token]:
        number = 1
        for number, text in self.file.lines():
            line = text.partition("\\")[0].rstrip()
            words = " ".join(line.split()).lower()
            heads = [head for head in _KINDS if words == head or words.startswith(f"{head} ")]
            start = 0
            if heads and not re.match(r"\s*\S+\s*(:|[<>=])", line):
                head = max(heads, key=len)
                found = re.match(r"\s*" + r"\s+".join(map(re.escape, head.split())), line, re.IGNORECASE)
                if found:
                    yield Token("section", head, number)
                    start = found.end()
            while start < len(line):
                match = _TOKEN.match(line, start)
                if match is None:
                    raise self.file.error(f"cannot make sense of {line[start:].strip()!r}", number)
                start = match.end()
                kind = match.lastgroup or ""
                word = match[kind]
                yield Token(word if kind == "mark" else kind, _RELATIONS.get(word, word), number)
        while True:
            yield Token("end of file", "", number)

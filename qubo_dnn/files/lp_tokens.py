"""Split an LP file into words with line numbers; see `qubo_dnn.files.lp` for the grammar."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from qubo_dnn.files.common.text import TextFile

_SYMBOLS = r"!\"#$%&(),;?@_`'{}~|"
# Brackets belong to a name if they follow it without a space and contain none: `x[1]`, `y[a,b]`, not `[x*y]/2`.
NAME = rf"[A-Za-z{_SYMBOLS}](?:[A-Za-z0-9./{_SYMBOLS}]|\[[^\[\]\s*^:<>=]*\])*"
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    rf"|(?P<name>{NAME})"
    r"|(?P<arrow><?->)|(?P<relation><=|>=|==|=<|=>|<|>|=)|(?P<mark>[-+*^\[\]/:]))"
)
_RELATIONS = {"=<": "<=", "<": "<=", "=>": ">=", ">": ">=", "==": "="}
_SECTIONS = {
    "minimize": ("minimize", "minimise", "minimum", "min"),
    "maximize": ("maximize", "maximise", "maximum", "max"),
    "constraints": ("subject to", "such that", "st", "s.t.", "st."),
    "lazy": ("lazy constraints", "lazy constraint"),
    "cuts": ("user cuts", "user cut"),
    "bounds": ("bounds", "bound"),
    "binary": ("binary", "binaries", "bin"),
    "integer": ("general", "generals", "gen", "integer", "integers", "int"),
    "end": ("end",),
    "other": (
        *("semi-continuous", "semi-integer", "semis", "semi", "sos", "sos1", "sos2", "general constraints"),
        *("general constraint", "pwlobj", "multi-objectives", "scenario"),
    ),
}
_KINDS = {word: kind for kind, words in _SECTIONS.items() for word in words}
_FIRST_WORDS = {head.split()[0] for head in _KINDS}
_LONGEST = max(len(head.split()) for head in _KINDS)
_BEFORE_TERMS = ("minimize", "maximize", "constraints", "lazy", "cuts", "bounds")
_BEHIND_TERMS = ("constraints", "lazy", "cuts", "bounds", "end")
# After these, the next word is a name, even if it is a keyword.
_OPERATORS = ("+", "-", "*", "^")


@dataclass(frozen=True)
class Token:
    """A word: its kind ("number", "name", "relation", "section", "end of file", or the mark itself), text and line.

    Example:
        >>> Token("number", "3", line=1).text
        '3'
    """

    kind: str
    text: str
    line: int


@dataclass(frozen=True)
class Section:
    """The start of a section: its kind, its text and its line.

    Example:
        >>> Section("bounds", "Bounds", line=7).kind
        'bounds'
    """

    kind: str
    text: str
    line: int


class Tokens:
    r"""Read a file word by word, with look-ahead of any length.

    Args:
        file: the file.

    Attributes:
        last: the last word taken.

    Example:
        >>> from pathlib import Path
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.lp")
        ...     _ = path.write_text("minimize\n3 x + y\nend\n")
        ...     tokens = Tokens(TextFile(path))
        ...     tokens.section().kind, tokens.take("number").text, tokens.peek()
        ('minimize', '3', "'x'")
    """

    def __init__(self, file: TextFile) -> None:
        self.file = file
        self.last = Token("", "", 0)
        self._ahead: deque[Token] = deque()
        self._words = self._split()

    @property
    def line(self) -> int:
        """Line of the next word."""
        return self._look(0).line

    @property
    def ended(self) -> bool:
        """True at the end of the file."""
        return self._look(0).kind == "end of file"

    @property
    def on_new_line(self) -> bool:
        """True if the next word is on another line than the last one."""
        return self._look(0).line != self.last.line

    def peek_kind(self) -> str:
        """Return the kind of the next word."""
        return self._look(0).kind

    def peek(self) -> str:
        """Describe the next word, for messages."""
        token = self._look(0)
        return token.kind if token.kind == "end of file" else repr(token.text)

    def kinds(self, count: int) -> list[str]:
        """Return the kinds of the next `count` words."""
        return [self._look(index).kind for index in range(count)]

    def first_of(self, *kinds: str) -> str:
        """Return the first of these kinds that follows; "section" or "end of file" if one comes before them."""
        wanted = (*kinds, "section", "end of file")
        for token in self._ahead:
            if token.kind in wanted:
                return token.kind
        while True:
            token = next(self._words)
            self._ahead.append(token)
            if token.kind in wanted:
                return token.kind

    def at_section(self) -> bool:
        """Return whether a section starts here, or the file ends."""
        return self.peek_kind() in ("section", "end of file")

    def section(self) -> Section | None:
        """Take the section that starts here; None if no section starts here."""
        if self.peek_kind() != "section":
            return None
        token = self.take("section")
        return Section(_KINDS[token.text.lower()], token.text, token.line)

    def take(self, kind: str) -> Token:
        """Take the next word, which must have a given kind.

        Raises:
            FileFormatError: the next word has another kind.
        """
        token = self._look(0)
        if token.kind != kind:
            raise self.file.error(f"expected {kind}, found {self.peek()}", token.line)
        self.last = self._ahead.popleft()
        return token

    def _look(self, index: int) -> Token:
        while len(self._ahead) <= index:
            self._ahead.append(next(self._words))
        return self._ahead[index]

    def _split(self) -> Iterator[Token]:
        number, before = 1, ""
        for number, text in self.file.lines():
            line = text.partition("\\")[0].rstrip()
            start = 0
            while start < len(line):
                head = _head(line, start, before)
                if head is not None:
                    before = "section"
                    start, words = head
                    yield Token(before, words, number)
                    continue
                match = _TOKEN.match(line, start)
                if match is None:
                    raise self.file.error(f"cannot parse {line[start:].strip()!r}", number)
                start = match.end()
                kind = match.lastgroup or ""
                word = match[kind]
                before = word if kind in ("mark", "arrow") else kind
                yield Token(before, _RELATIONS.get(word, word), number)
        while True:
            yield Token("end of file", "", number)


_WORDS = re.compile(r"\s*(\S+)" + r"(?:\s+(\S+))?" * (_LONGEST - 1))


def _head(line: str, start: int, before: str) -> tuple[int, str] | None:
    """Return the end of the section head at `start`, and its words; None if no head starts there.

    Heads begin a line, some may follow a term; a word before a colon or a relation is a name.
    """
    at_start = not line[:start].strip()
    if before in _OPERATORS or not (at_start or before in ("name", "number", "]")):
        return None
    match = _WORDS.match(line, start)
    if match is None or match[1].lower() not in _FIRST_WORDS:
        return None
    for count in range(_LONGEST, 0, -1):
        words = " ".join(match[index] or "" for index in range(1, count + 1)).lower()
        kind = _KINDS.get(words)
        if kind is not None:
            following = line[match.end(count) :].lstrip()[:1]
            name = following in (":<>=" if kind in _BEFORE_TERMS else ":<>=+-*^") and following
            return None if name or not (at_start or kind in _BEHIND_TERMS) else (match.end(count), words)
    return None

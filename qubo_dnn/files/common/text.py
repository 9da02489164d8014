"""Read problem files as lines or bytes, plain or gzipped, with size limits and errors that name the line."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from qubo_dnn.errors import FileFormatError

MOST_BYTES = 2**30
LONGEST_LINE = 2**26
LONGEST_NUMBER = 400
"""The largest float, written without an exponent, has 309 digits."""

_GZIP = b"\x1f\x8b"
_INTEGER = re.compile(r"[+-]?[0-9]{1,30}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LONG_WORD = re.compile(r"(\S{40})\S{20,}")
_LONGEST_MESSAGE = 400


class TextFile:
    r"""A file to read, plain or gzipped; its first bytes decide, not its name.

    Only `lines`, `blocks` and `content` read the file, and every call reads it again.

    Args:
        path: path of the file.
        most_bytes: limit on the decompressed size; a larger file is refused.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "graph.gset")
        ...     _ = path.write_text("# a comment\n3 2\n1 2 5\n")
        ...     list(TextFile(path).rows(comments=("#",)))
        [(2, ['3', '2']), (3, ['1', '2', '5'])]
    """

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self.path = Path(path)
        self.most_bytes = most_bytes

    def error(self, message: str, line: int | None = None) -> FileFormatError:
        """Make an error with the one-line text "PATH:LINE: message"; long words of the message are cut.

        Args:
            message: description of the fault.
            line: number of the line, from 1; None if the fault is not in one line.
        """
        place = str(self.path) if line is None else f"{self.path}:{line}"
        message = _LONG_WORD.sub(r"\1...", message)
        if len(message) > _LONGEST_MESSAGE:
            message = f"{message[:_LONGEST_MESSAGE]}..."
        return FileFormatError(_printable(f"{place}: {message}"), line)

    def lines(self) -> Iterator[tuple[int, str]]:
        """Generate every line with its number from 1, including blank ones, without line end or byte order mark.

        Raises:
            FileFormatError: the file cannot be read, is too large, or is not UTF-8.
        """
        left = self.most_bytes
        with self._opened() as stream:
            number = 0
            while raw := self._read(stream, min(left, LONGEST_LINE) + 1):
                number += 1
                if len(raw) > left:
                    raise self._too_large()
                if len(raw) > LONGEST_LINE:
                    raise self.error(f"the line has more than {LONGEST_LINE:,} bytes", number)
                left -= len(raw)
                try:
                    text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as fault:
                    raise self.error("is not a text in UTF-8", number) from fault
                yield number, text.rstrip("\r\n")

    def rows(
        self, comments: tuple[str, ...] = (), comment_words: Collection[str] = (), skip: int = 0
    ) -> Iterator[tuple[int, list[str]]]:
        """Generate the number, from 1, and the fields of every line that is neither blank nor a comment.

        Args:
            comments: a line that begins with one of these is a comment.
            comment_words: a line whose first field is one of these is a comment.
            skip: number of lines to skip at the start of the file.

        Raises:
            FileFormatError: see `lines`.
        """
        for line, text in self.lines():
            fields = text.split()
            if line > skip and fields and not fields[0].startswith(comments) and fields[0] not in comment_words:
                yield line, fields

    def blocks(self, size: int = 1 << 23) -> Iterator[tuple[int, bytes, int]]:
        """Generate whole lines in blocks: the number of the first line, from 1, the lines, and the bytes read so far.

        Args:
            size: bytes of a block, more or less.

        Raises:
            FileFormatError: the file cannot be read, is too large, or has a line that is too long.
        """
        number, rest, done = 1, b"", 0
        with self._opened() as stream:
            while raw := self._read(stream, size, whole=True):
                done += len(raw)
                if done > self.most_bytes:
                    raise self._too_large()
                lines, end, tail = raw.rpartition(b"\n")
                if len(rest) + len(lines) > LONGEST_LINE:
                    raise self.error(f"the line has more than {LONGEST_LINE:,} bytes", number)
                block, rest = (rest + lines + end, tail) if end else (b"", rest + tail)
                if block:
                    yield number, block, done
                    number += block.count(b"\n")
        if rest:
            yield number, rest, done

    def content(self) -> bytes:
        """Return all bytes, decompressed.

        Raises:
            FileFormatError: the file cannot be read or is too large.
        """
        with self._opened() as stream:
            data = self._read(stream, self.most_bytes + 1, whole=True)
        if len(data) > self.most_bytes:
            raise self._too_large()
        return data

    def integer(self, token: str, line: int | None, name: str, least: int, most: int) -> int:
        """Parse a decimal integer from `least` to `most`.

        Args:
            token: text of the number.
            line: number of its line, for the error.
            name: name of the quantity, for the error.
            least: smallest value allowed.
            most: largest value allowed.

        Raises:
            FileFormatError: the text is not an integer, or is out of range.
        """
        if not _INTEGER.fullmatch(token):
            raise self.error(f"{name}: {token!r} is not an integer", line)
        value = int(token)
        if not least <= value <= most:
            raise self.error(f"{name}: {value} is not within {least} to {most}", line)
        return value

    def number(self, token: str, line: int | None, name: str) -> float:
        """Parse a finite decimal number.

        Args:
            token: text of the number.
            line: number of its line, for the error.
            name: name of the quantity, for the error.

        Raises:
            FileFormatError: the text is not a number, or is not finite or beyond the range of a float.
        """
        if len(token) > LONGEST_NUMBER or not _NUMBER.fullmatch(token):
            raise self.error(f"{name}: {token!r} is not a finite number", line)
        value = float(token)
        if not math.isfinite(value):
            raise self.error(f"{name}: {token!r} is beyond the range of a float", line)
        return value

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """Open the stream of decompressed bytes."""
        try:
            # Pipes and devices could block, or be empty when read again.
            if exists(self.path) and not self.path.is_file():
                raise self.error("is a folder" if self.path.is_dir() else "is not a regular file")
            raw = self.path.open("rb")
        except (OSError, ValueError) as fault:
            if isinstance(fault, FileFormatError):
                raise
            raise self._unreadable(fault) from fault
        with raw:
            if raw.peek(2).startswith(_GZIP):
                with gzip.GzipFile(fileobj=raw) as stream:
                    yield cast(BinaryIO, stream)
            else:
                yield raw

    def _read(self, stream: BinaryIO, most: int, whole: bool = False) -> bytes:
        """Read the next line, or the whole rest, of at most `most` bytes."""
        try:
            return stream.read(most) if whole else stream.readline(most)
        except (OSError, EOFError, zlib.error) as fault:
            raise self._unreadable(fault) from fault

    def _unreadable(self, fault: Exception) -> FileFormatError:
        reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else " ".join(str(fault).split())
        return self.error(f"cannot be read: {reason}")

    def _too_large(self) -> FileFormatError:
        return self.error(f"has more than {self.most_bytes:,} bytes")


class Fields:
    r"""The fields of a file one after another, for formats in which line breaks have no meaning.

    Attributes:
        line: number of the line of the last field.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "sizes.txt")
        ...     _ = path.write_text("3\n2.5\n")
        ...     fields = Fields(TextFile(path))
        ...     fields.integer("size", 1, 9), fields.number("weight"), fields.line
        (3, 2.5, 2)
    """

    def __init__(self, file: TextFile) -> None:
        self.line: int | None = None
        self._file = file
        self._fields = ((line, field) for line, text in file.lines() for field in text.split())

    def text(self, name: str) -> str:
        """Return the next field, named for the error if there is none."""
        following = next(self._fields, None)
        if following is None:
            raise self._file.error(f"ends before the {name}")
        self.line, field = following
        return field

    def integer(self, name: str, least: int, most: int) -> int:
        """Parse the next field, see `TextFile.integer`."""
        return self._file.integer(self.text(name), self.line, name, least, most)

    def number(self, name: str) -> float:
        """Parse the next field, see `TextFile.number`."""
        return self._file.number(self.text(name), self.line, name)

    def end(self, name: str) -> None:
        """Refuse further fields after the last part, which has this name."""
        for line, _ in self._fields:
            raise self._file.error(f"more text after the last {name}", line)


def exists(path: Path) -> bool:
    """Return whether a path exists; a name too long for a file gives False, not an error.

    Example:
        >>> exists(Path("no-such-file.txt"))
        False
    """
    try:
        return path.exists()
    except OSError:
        return False


def _printable(text: str) -> str:
    """Escape control characters, so that the text stays one line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)

"""Problem files as lines or bytes: plain or gzipped, within limits, and with errors that say where the fault is."""

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
    """A file to be read, which may be gzipped: its first bytes tell, not its name.

    Nothing is read before `lines` or `content` is called, and each call reads anew.

    Args:
        path: where it is.
        most_bytes: limit of the decompressed size; what goes beyond is refused, not read.
    """

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self.path = Path(path)
        self.most_bytes = most_bytes

    def error(self, message: str, line: int | None = None) -> FileFormatError:
        """An error whose text is one line, "PATH:LINE: message", with long words of the message cut.

        Args:
            message: what is wrong.
            line: number of the line from 1; None if the fault is not in one line.
        """
        place = str(self.path) if line is None else f"{self.path}:{line}"
        message = _LONG_WORD.sub(r"\1...", message)
        if len(message) > _LONGEST_MESSAGE:
            message = f"{message[:_LONGEST_MESSAGE]}..."
        return FileFormatError(_printable(f"{place}: {message}"), line)

    def lines(self) -> Iterator[tuple[int, str]]:
        """Every line with its number from 1, blank ones too, without the line end or a byte order mark.

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
        """The fields of every line that is neither blank nor a comment, with the line's number from 1.

        Args:
            comments: a line that begins with one of these is a comment.
            comment_words: so is one whose first field is one of these.
            skip: first lines of the file to be left out.

        Raises:
            FileFormatError: see `lines`.
        """
        for line, text in self.lines():
            fields = text.split()
            if line > skip and fields and not fields[0].startswith(comments) and fields[0] not in comment_words:
                yield line, fields

    def content(self) -> bytes:
        """All bytes, decompressed.

        Raises:
            FileFormatError: the file cannot be read or is too large.
        """
        with self._opened() as stream:
            data = self._read(stream, self.most_bytes + 1, whole=True)
        if len(data) > self.most_bytes:
            raise self._too_large()
        return data

    def integer(self, token: str, line: int | None, name: str, least: int, most: int) -> int:
        """A decimal integer from `least` to `most`.

        Args:
            token: its text.
            line: where it stands.
            name: what it is, for the error.
            least: smallest value allowed.
            most: largest value allowed.

        Raises:
            FileFormatError: it is no integer or out of range.
        """
        if not _INTEGER.fullmatch(token):
            raise self.error(f"{name}: {token!r} is not an integer", line)
        value = int(token)
        if not least <= value <= most:
            raise self.error(f"{name}: {value} is not within {least} to {most}", line)
        return value

    def number(self, token: str, line: int | None, name: str) -> float:
        """A finite decimal number.

        Args:
            token: its text.
            line: where it stands.
            name: what it is, for the error.

        Raises:
            FileFormatError: it is no number, not finite, or beyond the range of a float.
        """
        if len(token) > LONGEST_NUMBER or not _NUMBER.fullmatch(token):
            raise self.error(f"{name}: {token!r} is not a finite number", line)
        value = float(token)
        if not math.isfinite(value):
            raise self.error(f"{name}: {token!r} is beyond the range of a float", line)
        return value

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """The decompressed bytes."""
        try:
            # Pipes and devices would block, or yield nothing when they are read again.
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
        """The next line, or the whole rest, of at most so many bytes."""
        try:
            return stream.read(most) if whole else stream.readline(most)
        except (OSError, EOFError, zlib.error) as fault:
            raise self._unreadable(fault) from fault

    def _unreadable(self, fault: Exception) -> FileFormatError:
        reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else " ".join(str(fault).split())
        return self.error(f"cannot be read: {reason}")

    def _too_large(self) -> FileFormatError:
        return self.error(f"has more than {self.most_bytes:,} bytes")


def exists(path: Path) -> bool:
    """Return whether there is something at a path; a name that is too long for a file is none, and no error."""
    try:
        return path.exists()
    except OSError:
        return False


def _printable(text: str) -> str:
    """`text` with control characters escaped, so that it stays one line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)

"""Lines `i j bias` of large files as arrays: blocks of the file are parsed by a kernel.

What the kernel does not know, such as a comment or a malformed line, is left to the caller, line by line.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.files.common.text import TextFile
from qubo_dnn.support.jit import compiled

_LOG = logging.getLogger("qubo_dnn.backend.loading")
_LOGGED_EVERY = 1.0
# The shortest line of an entry.
_LEAST_BYTES = len(b"0 1 2\n")
# Decimal numbers of so many digits and powers of ten up to this are exact in double precision, so that one product or
# quotient of both is rounded once, as the number itself would be. Others are left to Python.
_EXACT_DIGITS, _EXACT_POWER = 15, 22
_POWERS = np.power(10.0, np.arange(_EXACT_POWER + 1), dtype=np.float64)
# Indices of more digits are beyond int32, and are refused line by line.
_INDEX_DIGITS = 9
# An exponent beyond the range of a float.
_FARTHEST: int = 100_000
_TAB, _LINE_FEED, _RETURN, _SPACE = 9, 10, 13, 32
_PLUS, _MINUS, _POINT, _ZERO, _NINE = 43, 45, 46, 48, 57
_EXPONENT_MARKS = (69, 101)


class Growing:
    """A list of numbers in one array that doubles; the system moves its pages instead of copying them.

    Args:
        kind: type of the numbers.

    Example:
        >>> numbers = Growing(np.int32)
        >>> numbers.extend(np.array([1, 2], np.int32))
        >>> numbers.finished().tolist()
        [1, 2]
    """

    def __init__(self, kind: type[np.number[Any]]) -> None:
        self._array = np.empty(1 << 16, kind)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def extend(self, values: NDArray[Any]) -> None:
        """Append numbers."""
        size = self._size + len(values)
        if size > len(self._array):
            self._array.resize(max(size, 2 * len(self._array)), refcheck=False)
        self._array[self._size : size] = values
        self._size = size

    def finished(self) -> NDArray[Any]:
        """Return the array in its final size; the list must not be used any more."""
        self._array.resize(self._size, refcheck=False)
        return self._array


class Coordinates:
    """Entries of a file.

    Attributes:
        indices, linear: index and bias of every line with two equal indices.
        rows, columns, biases: both indices, the smaller first, and the bias of every other line.

    Example:
        >>> found = Coordinates()
        >>> found.add(1, 0, -2.0)
        >>> found.rows.finished().tolist(), found.columns.finished().tolist()
        ([0], [1])
    """

    def __init__(self) -> None:
        self.indices, self.linear = Growing(np.int32), Growing(np.float64)
        self.rows, self.columns, self.biases = Growing(np.int32), Growing(np.int32), Growing(np.float64)

    def add(self, i: int, j: int, bias: float) -> None:
        """Add one entry."""
        ends, value = np.array([min(i, j), max(i, j)], np.int32), np.array([bias])
        if i == j:
            self.indices.extend(ends[:1])
            self.linear.extend(value)
        else:
            self.rows.extend(ends[:1])
            self.columns.extend(ends[1:])
            self.biases.extend(value)


def read_coordinates(file: TextFile, other: Callable[[int, str], None], found: Coordinates) -> None:
    r"""Read all entries of a file.

    Args:
        file: the file.
        other: called with the number, from 1, and the text of every line that is not a plain entry; it may add one.
        found: receives the entries.

    Raises:
        FileFormatError: the file cannot be read, a bias is beyond the range of a float, or `other` raises it.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> found, others = Coordinates(), []
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.coo")
        ...     _ = path.write_text("# vartype=BINARY\n0 0 1.5\n0 1 -2\n")
        ...     read_coordinates(TextFile(path), lambda line, text: others.append(text), found)
        >>> others, found.biases.finished().tolist()
        (['# vartype=BINARY'], [-2.0])
    """
    logged, size = time.perf_counter(), file.path.stat().st_size
    for first, block, done in file.blocks():
        _read_block(file, first, block, other, found)
        if time.perf_counter() - logged >= _LOGGED_EVERY:
            logged = time.perf_counter()
            entries = len(found.biases) + len(found.linear)
            _LOG.debug("%d of %d MiB, %d entries", done >> 20, max(size, done) >> 20, entries)


def _read_block(file: TextFile, line: int, block: bytes, other: Callable[[int, str], None], found: Coordinates) -> None:
    """Read lines; the first has the number `line`."""
    text = np.frombuffer(block, np.uint8)
    most = len(block) // _LEAST_BYTES + 1
    rows, columns = np.empty(most, np.int32), np.empty(most, np.int32)
    # Where a number begins and ends, of numbers that Python has to read.
    biases, words = np.empty(most), np.empty((most, 3), np.int64)
    begin = 0
    while begin < len(block):
        start = begin
        count, odd, begin, lines = _parse(text, start, rows, columns, biases, words, _POWERS)
        for entry, first, last in words[:odd].tolist():
            biases[entry] = float(block[first:last])
            if not math.isfinite(biases[entry]):
                token = block[first:last].decode("ascii")
                file.number(token, line + block.count(b"\n", start, first), "bias")  # raises
        own = rows[:count] == columns[:count]
        found.indices.extend(rows[:count][own])
        found.linear.extend(biases[:count][own])
        for growing, values in ((found.rows, rows), (found.columns, columns), (found.biases, biases)):
            growing.extend(values[:count][~own])
        line += lines
        if begin < len(block):
            end = block.find(b"\n", begin) + 1 or len(block)
            try:
                text_of_line = block[begin:end].decode("utf-8-sig" if line == 1 else "utf-8")
            except UnicodeDecodeError as fault:
                raise file.error("is not a text in UTF-8", line) from fault
            other(line, text_of_line.rstrip("\r\n"))
            begin, line = end, line + 1


@compiled
def _parse(
    text: NDArray[np.uint8],
    begin: int,
    rows: NDArray[np.int32],
    columns: NDArray[np.int32],
    biases: NDArray[np.float64],
    words: NDArray[np.int64],
    powers: NDArray[np.float64],
) -> tuple[int, int, int, int]:
    """Parse lines from a position on, up to the first that is neither blank nor a plain entry.

    Returns:
        The numbers of entries and of those whose bias Python has to read, the position of that first line (or the end
        of the text), and the number of lines before it.
    """
    count, odd, lines, size = 0, 0, 0, text.size
    ends = np.empty(2, np.int64)
    while begin < size:
        at, fine = begin, True
        while at < size and (text[at] == _SPACE or text[at] == _TAB or text[at] == _RETURN):
            at += 1
        if at < size and text[at] != _LINE_FEED:
            for end in range(2):
                first, index = at, 0
                while at < size and _ZERO <= text[at] <= _NINE and at - first <= _INDEX_DIGITS:
                    index = 10 * index + int(text[at]) - _ZERO
                    at += 1
                fine &= 0 < at - first <= _INDEX_DIGITS
                ends[end], first = index, at
                while at < size and (text[at] == _SPACE or text[at] == _TAB):
                    at += 1
                fine &= at > first
            first, negative = at, False
            if at < size and (text[at] == _PLUS or text[at] == _MINUS):
                negative = text[at] == _MINUS
                at += 1
            mantissa, digits, significant, power, pointed = 0, 0, 0, 0, False
            while at < size and (_ZERO <= text[at] <= _NINE or (text[at] == _POINT and not pointed)):
                if text[at] == _POINT:
                    pointed = True
                else:
                    digits += 1
                    if significant or text[at] != _ZERO:
                        significant += 1
                    if significant <= _EXACT_DIGITS:
                        mantissa = 10 * mantissa + int(text[at]) - _ZERO
                    if pointed:
                        power -= 1
                at += 1
            fine &= digits > 0
            if at < size and (text[at] == _EXPONENT_MARKS[0] or text[at] == _EXPONENT_MARKS[1]):
                at += 1
                down, shift, since = False, 0, 0
                if at < size and (text[at] == _PLUS or text[at] == _MINUS):
                    down = text[at] == _MINUS
                    at += 1
                while at < size and _ZERO <= text[at] <= _NINE:
                    shift = min(10 * shift + int(text[at]) - _ZERO, _FARTHEST)
                    since += 1
                    at += 1
                fine &= since > 0
                power += -shift if down else shift
            last = at
            while at < size and (text[at] == _SPACE or text[at] == _TAB or text[at] == _RETURN):
                at += 1
            fine &= at == size or text[at] == _LINE_FEED
            if not fine:
                return count, odd, begin, lines
            rows[count], columns[count] = min(ends[0], ends[1]), max(ends[0], ends[1])
            if significant > _EXACT_DIGITS or abs(power) > _EXACT_POWER:
                words[odd, 0], words[odd, 1], words[odd, 2] = count, first, last
                odd += 1
            else:
                value = mantissa * powers[power] if power >= 0 else mantissa / powers[-power]
                biases[count] = -value if negative else value
            count += 1
        begin = at + 1
        lines += 1
    return count, odd, size, lines

"""Entries of a symmetric matrix, which files list once or in both directions: edges of a graph, biases of a form."""

from __future__ import annotations

from qubo_dnn.files.common.text import TextFile


class SymmetricEntries:
    """Values of pairs; each pair counts once, whether it is listed in one direction or in both.

    Either no pair is listed in both directions, or all pairs are, with equal values. A mixture is probably a mistake in
    the file, and is refused.

    Args:
        file: the file, for error messages.
        what: description of an entry of I and J in error messages, such as "the edge of".

    Attributes:
        values: pair in its first direction -> value, in the order of the file.
        lines: number of entries listed.

    Example:
        >>> from pathlib import Path
        >>> entries = SymmetricEntries(TextFile(Path("graph.gset")), "the edge of")
        >>> entries.add(2, 1, 2, 5.0)
        >>> entries.add(3, 2, 1, 5.0)  # the same edge in the other direction
        >>> entries.values, entries.lines
        ({(1, 2): 5.0}, 2)
    """

    def __init__(self, file: TextFile, what: str) -> None:
        self.values: dict[tuple[int, int], float] = {}
        self.lines = 0
        self._file, self._what = file, what
        self._returned: set[tuple[int, int]] = set()
        self._first_return: tuple[int, int, int] | None = None

    def add(self, line: int, i: int, j: int, value: float) -> None:
        """Add an entry of two different indices.

        Raises:
            FileFormatError: the pair is listed twice in this direction, or with another value in the other one.
        """
        self.lines += 1
        if (i, j) in self.values or (i, j) in self._returned:
            raise self._twice(line, i, j)
        back = self.values.get((j, i))
        if back is None:
            self.values[i, j] = value
            return
        if back != value:
            raise self._file.error(f"{self._what} {i} and {j} occurs twice, with {back:g} and {value:g}", line)
        self._returned.add((i, j))
        self._first_return = self._first_return or (line, i, j)

    def check(self) -> None:
        """Check the entries at the end of the file.

        Raises:
            FileFormatError: some pairs are listed in both directions and some are not.
        """
        if self._first_return is not None and len(self._returned) < len(self.values):
            raise self._twice(*self._first_return)

    def _twice(self, line: int, i: int, j: int) -> Exception:
        return self._file.error(f"{self._what} {i} and {j} occurs twice", line)

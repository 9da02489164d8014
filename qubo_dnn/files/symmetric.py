"""Entries of a symmetric matrix, which files list once or in both directions: edges of a graph, biases of a form."""

from __future__ import annotations

from qubo_dnn.files.text import TextFile


class SymmetricEntries:
    """Values of pairs, each of which counts once however it is listed.

    Either no pair is listed in both directions, or all of them are, with equal values each. Anything between is far
    more likely a mistake in the file than meant, and is refused.

    Args:
        file: for errors.
        what: names an entry of I and J in errors, such as "the edge of".

    Attributes:
        values: pair as it is listed first -> its value, in the order of the file.
        lines: number of entries listed.
    """

    def __init__(self, file: TextFile, what: str) -> None:
        self.values: dict[tuple[int, int], float] = {}
        self.lines = 0
        self._file, self._what = file, what
        self._returned: set[tuple[int, int]] = set()
        self._first_return: tuple[int, int, int] | None = None

    def add(self, line: int, i: int, j: int, value: float) -> None:
        """Take an entry of two different indices.

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
            raise self._file.error(f"{self._what} {i} and {j} is there twice, with {back:g} and {value:g}", line)
        self._returned.add((i, j))
        self._first_return = self._first_return or (line, i, j)

    def check(self) -> None:
        """At the end of the file.

        Raises:
            FileFormatError: some pairs are listed in both directions and some are not.
        """
        if self._first_return is not None and len(self._returned) < len(self.values):
            raise self._twice(*self._first_return)

    def _twice(self, line: int, i: int, j: int) -> Exception:
        return self._file.error(f"{self._what} {i} and {j} is there twice", line)

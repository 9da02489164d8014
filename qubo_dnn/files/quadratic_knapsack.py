"""Quadratic knapsack problems of Billionnet and Soutif (`jeu_200_100_4.txt`, ...).

Grammar (Billionnet and Soutif 2004, https://cedric.cnam.fr/~soutif/QKP/format.html); blank lines have no meaning:

    NAME                    one line
    N                       items
    P1 P2 ... PN            profits of single items
    P12 P13 ... P1N         N-1 rows: profits of pairs, the upper triangle
    P23 ... P2N
    ...
    0|1                     total weight at most the capacity (0) or equal to it (1)
    CAPACITY
    W1 W2 ... WN
    TEXT                    comments up to the end; they must not begin with a number
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.files.common.text import TextFile
from qubo_dnn.files.knapsack import LARGEST

MOST_ITEMS = 10_000
"""The matrix of profits is dense: this many items take 800 MB."""


@dataclass(frozen=True, eq=False)
class QuadraticKnapsackInstance:
    """Items with profits for pairs, and the capacity of the knapsack.

    Attributes:
        profits: [n, n] float64, symmetric; the diagonal is the profit of an item alone, and each pair counts once.
        weights: [n] weights of the items.
        capacity: capacity, in the unit of the weights.
        exact: True: the total weight equals the capacity; False: it is at most the capacity.

    Example:
        >>> profits = np.array([[1.0, 5.0], [5.0, 1.0]])
        >>> QuadraticKnapsackInstance(profits, weights=(1, 1), capacity=2, exact=False).capacity
        2
    """

    profits: NDArray[np.float64]
    weights: tuple[int, ...]
    capacity: int
    exact: bool


def read_quadratic_knapsack(file: TextFile | Path) -> QuadraticKnapsackInstance:
    r"""Read a problem.

    Raises:
        FileFormatError: the file cannot be read or breaks the grammar; the message names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "jeu.txt")
        ...     _ = path.write_text("name\n2\n1 1\n5\n0\n2\n1 1\n")
        ...     read_quadratic_knapsack(path).profits.tolist()
        [[1.0, 5.0], [5.0, 1.0]]
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    rows = file.rows(skip=1)  # the name may be any text, even blank
    n = _single(file, rows, "number of items", 1, MOST_ITEMS)
    entries = array("d")  # grows with the file, not with the size in its header
    _fill(file, rows, entries, n + n * (n - 1) // 2, "profits")
    exact = _single(file, rows, "kind of constraint, 0 or 1", 0, 1)
    capacity = _single(file, rows, "capacity", 0, LARGEST)
    weights: list[int] = []
    _fill(file, rows, weights, n, "weights")
    line, rest = next(rows, (None, [""]))
    if rest[0][:1].isdecimal():
        raise file.error("more numbers after the weights", line)
    profits = np.zeros((n, n))
    profits[np.triu_indices(n, 1)] = entries[n:]
    profits += profits.T
    np.fill_diagonal(profits, entries[:n])
    return QuadraticKnapsackInstance(profits, tuple(weights), capacity, bool(exact))


def _single(file: TextFile, rows: Iterator[tuple[int, list[str]]], what: str, least: int, most: int) -> int:
    """Read a line with a single number."""
    line, fields = next(rows, (None, []))
    if line is None:
        raise file.error(f"ends before the {what}")
    if len(fields) != 1:
        raise file.error(f"expected the {what}, found {len(fields)} fields", line)
    return file.integer(fields[0], line, what, least, most)


def _fill(
    file: TextFile, rows: Iterator[tuple[int, list[str]]], numbers: array[float] | list[int], count: int, what: str
) -> None:
    """Append `count` numbers, which may span lines."""
    while len(numbers) < count:
        line, fields = next(rows, (None, []))
        if line is None:
            raise file.error(f"expected {count} {what}, found {len(numbers)}")
        if len(numbers) + len(fields) > count:
            raise file.error(f"expected {count} {what}, and this line ends after more", line)
        for field in fields:
            if isinstance(numbers, list):
                numbers.append(file.integer(field, line, "weight", 0, LARGEST))
            else:
                numbers.append(file.number(field, line, "profit"))

"""Quadratic assignment problems of the QAPLIB (`.dat`).

Grammar (Burkard, Karisch and Rendl 1997, https://coral.ise.lehigh.edu/data-sets/qaplib/); line ends after the first
mean nothing, and commas separate numbers as blanks do:

    N [OPTIMUM [BEST]]  the size; on its line, and not kept, the optimum or a bound, and the best value known
    A11 A12 ... ANN     N*N numbers, row by row
    B11 B12 ... BNN     N*N numbers, row by row

The library's solutions (`.sln`: the size and the value, then a permutation) hold no problem and are refused.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.files.text import TextFile

MOST_FACILITIES = 10_000
MOST_HEADER = 3
"""Numbers of the first line, where it is not the beginning of a matrix, too."""


@dataclass(frozen=True, eq=False)
class QapInstance:
    """Place facility i at the location p[i] such that the sum of flow[i, j] * distance[p[i], p[j]] is least.

    Args:
        flow: [n, n] float64, the first matrix of the file.
        distance: [n, n] float64, the second. Files that have the distances first mean the same problem: its
            optimum is the same, its assignment the inverse permutation.
    """

    flow: NDArray[np.float64]
    distance: NDArray[np.float64]


def read_qaplib(file: TextFile | Path) -> QapInstance:
    """Read a problem; the matrices need not be symmetric.

    Raises:
        FileFormatError: the file cannot be read or breaks the grammar; the text names file and line.
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    rows = ((line, fields) for line, text in file.lines() if (fields := text.replace(",", " ").split()))
    first, header = next(rows, (0, []))
    if not header:
        raise file.error("is empty; expected the size")
    n = file.integer(header[0], first, "size", 1, MOST_FACILITIES)
    expected = 2 * n * n
    entries = array("d")  # grows with the file, not with what its header claims
    values = len(header) - 1 if len(header) <= MOST_HEADER else 0
    for line, fields in chain([(first, header[1:])], rows):
        if len(entries) + len(fields) > expected + values:
            raise file.error(f"more than the two {n} x {n} matrices", line)
        entries.extend(file.number(field, line, "entry") for field in fields)
    if len(entries) == expected + values:
        entries = entries[values:]
    elif len(header) > 1 and sorted(entries[values:]) == list(range(1, n + 1)):
        raise file.error("is a solution of a QAPLIB problem, not the problem, which is in the file .dat of its name")
    if len(entries) != expected:
        raise file.error(f"two {n} x {n} matrices have {expected} entries, found {len(entries)}")
    flow, distance = np.array(entries, dtype=np.float64).reshape(2, n, n)
    return QapInstance(flow, distance)

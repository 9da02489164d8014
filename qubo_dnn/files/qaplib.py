"""Quadratic assignment problems of the QAPLIB (`.dat`).

Grammar (Burkard, Karisch and Rendl 1997, https://coral.ise.lehigh.edu/data-sets/qaplib/), line ends mean nothing:

    N                the size
    A11 A12 ... ANN  N*N numbers, row by row
    B11 B12 ... BNN  N*N numbers, row by row
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.files.text import TextFile

MOST_FACILITIES = 10_000


@dataclass(frozen=True, eq=False)
class QuadraticAssignment:
    """Place facility i at the location p[i] such that the sum of flow[i, j] * distance[p[i], p[j]] is least.

    Args:
        flow: [n, n] float64, the first matrix of the file.
        distance: [n, n] float64, the second. Files that have the distances first mean the same problem: its
            optimum is the same, its assignment the inverse permutation.
    """

    flow: NDArray[np.float64]
    distance: NDArray[np.float64]


def read_qaplib(file: TextFile | Path) -> QuadraticAssignment:
    """Read a problem; the matrices need not be symmetric.

    Raises:
        FileFormatError: the file cannot be read or breaks the grammar; the text names file and line.
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    fields = ((line, field) for line, text in file.lines() for field in text.split())
    line, size = next(fields, (None, None))
    if size is None:
        raise file.error("is empty; expected the size")
    n = file.integer(size, line, "size", 1, MOST_FACILITIES)
    expected = 2 * n * n
    entries = array("d")  # grows with the file, not with what its header claims
    for line, field in fields:
        if len(entries) == expected:
            raise file.error(f"more than the two {n} x {n} matrices", line)
        entries.append(file.number(field, line, "entry"))
    if len(entries) < expected:
        raise file.error(f"two {n} x {n} matrices have {expected} entries, found {len(entries)}")
    flow, distance = np.array(entries, dtype=np.float64).reshape(2, n, n)
    return QuadraticAssignment(flow, distance)

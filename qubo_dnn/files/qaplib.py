"""Quadratic assignment problems of the QAPLIB (`.dat`).

Grammar (Burkard, Karisch and Rendl 1997, https://coral.ise.lehigh.edu/data-sets/qaplib/); line breaks after
the first have no meaning, and commas separate numbers like blanks:

    N [OPTIMUM [BEST]]  the size; on the same line, and ignored, the optimum or a bound, and the best known value
    A11 A12 ... ANN     N*N numbers, row by row
    B11 B12 ... BNN     N*N numbers, row by row

The library's solutions (`.sln`: the size and the value, then a permutation) contain no problem and are refused.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.files.common.text import TextFile

MOST_FACILITIES = 10_000
MOST_HEADER = 3
"""Largest number of fields of the first line, unless a matrix begins on it."""


@dataclass(frozen=True, eq=False)
class QapInstance:
    """Place facility i at location p[i] such that the sum of flow[i, j] * distance[p[i], p[j]] is least.

    Args:
        flow: [n, n] float64, the first matrix of the file.
        distance: [n, n] float64, the second matrix. A file with the distances first gives the same optimum, and the
            inverse permutation as its assignment.

    Example:
        >>> instance = QapInstance(flow=np.eye(2), distance=np.ones((2, 2)))
        >>> instance.flow.shape
        (2, 2)
    """

    flow: NDArray[np.float64]
    distance: NDArray[np.float64]


def read_qaplib(file: TextFile | Path) -> QapInstance:
    r"""Read a problem; the matrices need not be symmetric.

    Raises:
        FileFormatError: the file cannot be read or breaks the grammar; the message names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "nug2.dat")
        ...     _ = path.write_text("2\n0 5\n5 0\n0 3\n3 0\n")
        ...     read_qaplib(path).flow.tolist()
        [[0.0, 5.0], [5.0, 0.0]]
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    rows = ((line, fields) for line, text in file.lines() if (fields := text.replace(",", " ").split()))
    first, header = next(rows, (0, []))
    if not header:
        raise file.error("is empty; expected the size")
    n = file.integer(header[0], first, "size", 1, MOST_FACILITIES)
    expected = 2 * n * n
    entries = array("d")  # grows with the file, not with the size in its header
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

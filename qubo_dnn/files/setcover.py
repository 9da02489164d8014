"""Set covering problems of the OR-Library (`scp41.txt`, ...).

Grammar (http://people.brunel.ac.uk/~mastjjb/jeb/orlib/scpinfo.html); line breaks have no meaning:

    M N               rows (elements), columns (sets)
    COST              N numbers
    K J1 J2 ... JK    for every row: the number of columns that cover it, and these, 1 <= J <= N
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qubo_dnn.files.common.text import Fields, TextFile

MOST_ROWS, MOST_COLUMNS = 1_000_000, 1_000_000


@dataclass(frozen=True)
class SetCoverInstance:
    """Sets with costs, and for every element the sets that contain it.

    Attributes:
        costs: costs of the sets.
        rows: for every element, the sets that contain it, numbered from 0.

    Example:
        >>> SetCoverInstance(costs=(1.0, 2.0), rows=((0,), (0, 1))).rows[1]  # the sets with element 1
        (0, 1)
    """

    costs: tuple[float, ...]
    rows: tuple[tuple[int, ...], ...]


def read_setcover(file: TextFile | Path) -> SetCoverInstance:
    r"""Read a problem.

    Raises:
        FileFormatError: the file cannot be read or breaks the grammar; the message names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "scp.txt")
        ...     _ = path.write_text("2 2\n1 2\n1 1\n2 1 2\n")
        ...     read_setcover(path).rows
        ((0,), (0, 1))
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    fields = Fields(file)
    elements = fields.integer("number of rows", 1, MOST_ROWS)
    sets = fields.integer("number of columns", 1, MOST_COLUMNS)
    costs = [fields.number("cost") for _ in range(sets)]
    rows = []
    for row in range(elements):
        count = fields.integer("number of columns of a row", 0, sets)
        covering = tuple(fields.integer("column", 1, sets) - 1 for _ in range(count))
        if len(set(covering)) < count:
            raise file.error(f"row {row + 1} has a column twice")
        rows.append(covering)
    fields.end("row")
    return SetCoverInstance(tuple(costs), tuple(rows))

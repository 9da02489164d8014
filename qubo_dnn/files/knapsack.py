"""Knapsack problems in the widespread plain form (`.kp`).

Grammar:

    N CAPACITY     items, capacity
    VALUE WEIGHT   N lines
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qubo_dnn.files.common.text import TextFile

MOST_ITEMS, LARGEST = 10_000_000, 2**53


@dataclass(frozen=True)
class KnapsackInstance:
    """Items with values and integer weights, and the capacity of the knapsack.

    Example:
        >>> KnapsackInstance(values=(6.0, 5.0), weights=(3, 2), capacity=4).capacity
        4
    """

    values: tuple[float, ...]
    weights: tuple[int, ...]
    capacity: int


def read_knapsack(file: TextFile | Path) -> KnapsackInstance:
    r"""Read a problem.

    Raises:
        FileFormatError: the file cannot be read or breaks the grammar; the message names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "items.kp")
        ...     _ = path.write_text("2 4\n6 3\n5 2\n")
        ...     read_knapsack(path).weights
        (3, 2)
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    rows = file.rows()
    line, header = next(rows, (None, []))
    if len(header) != 2:
        raise file.error("expected the number of items and the capacity", line)
    count = file.integer(header[0], line, "number of items", 1, MOST_ITEMS)
    capacity = file.integer(header[1], line, "capacity", 0, LARGEST)
    values, weights = [], []
    for line, fields in rows:
        if len(fields) != 2:
            raise file.error(f"expected 'value weight', found {len(fields)} fields", line)
        values.append(file.number(fields[0], line, "value"))
        weights.append(file.integer(fields[1], line, "weight", 0, LARGEST))
    if len(values) != count:
        raise file.error(f"announces {count} items but has {len(values)}")
    return KnapsackInstance(tuple(values), tuple(weights), capacity)

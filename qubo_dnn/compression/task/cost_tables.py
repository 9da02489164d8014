"""Cost tables: costs of layers at every option, measured by the user. Needs no torch.

A table is a CSV file with the header `layer,option,cost` and one row for every layer and option, such as
`layer1.0.conv1,4@50%,0.82`: the cost of the whole layer when all of its units are at that option, in any unit
(milliseconds, millijoules). A table that `qubo-dnn profile` writes also has rows of the name `(rest)`: the cost of what
runs beside the layers. No budget counts it, but `CostTable.share_of_float` does.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.options import FLOAT_BITS, MAX_BITS, Option
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.errors import FileFormatError, OptionError
from qubo_dnn.files.common.output import write_atomically

REST = "(rest)"
"""Stands in the place of a layer's name for what runs beside the layers, at 32 bits and at 8 or fewer."""
_HEADER = ["layer", "option", "cost"]


@dataclass(frozen=True)
class CostTable:
    """Costs of layers at options.

    Attributes:
        source: name of the file, for messages.
        costs: (layer name, option) -> cost >= 0 of the whole layer.

    Example:
        >>> table = CostTable("latency.csv", {("conv", Option(4)): 0.8, ("conv", Option(8)): 1.5})
        >>> table.by_layer(["conv"], [Option(4), Option(8)]).tolist()
        [[0.8, 1.5]]
    """

    source: str
    costs: Mapping[tuple[str, Option], float]

    def by_layer(self, layers: Sequence[str], options: Sequence[Option]) -> NDArray[np.float64]:
        """Return [layers, options] costs.

        Raises:
            FileFormatError: a layer has no cost at an option.
        """
        for layer in layers:
            for option in options:
                if (layer, option) not in self.costs:
                    raise FileFormatError(f"{self.source}: has no cost of the layer {layer!r} at the option {option}")
        return np.array([[self.costs[layer, option] for option in options] for layer in layers])

    def share_of_float(self, plan: Plan, channels: Mapping[str, int]) -> float | None:
        """Predict the cost of a network under a plan, relative to its cost in float32.

        A layer costs the average of its channels. What runs beside the layers counts, where the table has it.

        Args:
            plan: the plan.
            channels: layer name -> output channels, of the layers in the plan and of others, which stay float32.

        Returns:
            1 for the cost in float32; None if the table has no cost of a layer in the plan at 32 bits, or all are 0.

        Example:
            >>> from qubo_dnn.compression.task.plan import LayerPlan
            >>> costs = {("a", Option(8)): 1.0, ("a", Option(32)): 3.0, ("b", Option(32)): 1.0}
            >>> plan = Plan({"a": LayerPlan(1, (Option(8), Option(32)))})
            >>> CostTable("latency.csv", costs).share_of_float(plan, {"a": 2, "b": 5})
            0.75
        """
        unchanged = Option(FLOAT_BITS)
        if any((layer, unchanged) not in self.costs for layer in plan.layers):
            return None
        before = after = 0.0
        for layer, count in channels.items():
            cost = self.costs.get((layer, unchanged), 0.0)
            before += cost
            if layer in plan.layers:
                options = plan.layers[layer].channel_options(count)
                cost = sum(self.costs[layer, option] for option in options) / count
            after += cost
        compressed = any(option != unchanged for layer in plan.layers.values() for option in layer.options)
        rest = self.costs.get((REST, unchanged), 0.0)
        before += rest
        after += self.costs.get((REST, Option(MAX_BITS)), rest) if compressed else rest
        return after / before if before else None


def read_table(path: Path) -> CostTable:
    r"""Read a cost table from a CSV file.

    Raises:
        FileFormatError: the file cannot be read, has another header, or a row is not a layer, an option and a
            finite cost >= 0, or repeats an earlier row; the message names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "latency.csv")
        ...     _ = path.write_text("layer,option,cost\nconv,4,0.8\nconv,8,1.5\n")
        ...     read_table(path).costs[("conv", Option(8))]
        1.5
    """
    costs: dict[tuple[str, Option], float] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file, strict=True)
            header = next(rows, [])
            if [name.strip().lower() for name in header] != _HEADER:
                raise FileFormatError(f"{path}, line 1: the header is not {','.join(_HEADER)}")
            for row in rows:
                if not row:
                    continue
                where = f"{path}, line {rows.line_num}"
                key, cost = _parsed(row, where)
                if key in costs:
                    raise FileFormatError(f"{where}: the layer {key[0]!r} has a cost at the option {key[1]} already")
                costs[key] = cost
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise FileFormatError(f"{path}: cannot be read as CSV ({cause})") from cause
    return CostTable(str(path), costs)


def write_table(path: Path, costs: Mapping[tuple[str, Option], float]) -> None:
    """Write a cost table as a CSV file, which `read_table` reads.

    Args:
        path: the file; replaced if it exists.
        costs: (layer name, option) -> cost.

    Raises:
        OutputError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_table(Path(folder, "latency.csv"), {("conv", Option(4)): 0.8})
        ...     Path(folder, "latency.csv").read_text().splitlines()
        ['layer,option,cost', 'conv,4,0.8']
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_HEADER)
    rows.writerows((layer, option, f"{cost:.6g}") for (layer, option), cost in costs.items())
    write_atomically(path, text.getvalue().encode())


def _parsed(row: Sequence[str], where: str) -> tuple[tuple[str, Option], float]:
    if len(row) != len(_HEADER):
        raise FileFormatError(f"{where}: {len(row)} fields, not {','.join(_HEADER)}")
    layer, option, cost = (field.strip() for field in row)
    try:
        parsed = Option.parse(option)
    except OptionError as cause:
        raise FileFormatError(f"{where}: {cause}") from cause
    try:
        value = float(cost)
    except ValueError as cause:
        raise FileFormatError(f"{where}: the cost {cost!r} is not a number") from cause
    if not math.isfinite(value) or value < 0.0:
        raise FileFormatError(f"{where}: the cost {cost} is not a finite number >= 0")
    return (layer, parsed), value

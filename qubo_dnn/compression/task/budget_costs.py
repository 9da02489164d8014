"""Costs of every unit at every option, from a budget and the shapes of a network. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.budgets import BOPS, MACS, SIZE, Budget, Costs, TaskBudget
from qubo_dnn.compression.task.cost_tables import CostTable
from qubo_dnn.compression.task.file_contents import FileContents
from qubo_dnn.compression.task.options import FLOAT_BITS, Option
from qubo_dnn.compression.task.stored_bits import LAYER_OVERHEAD_BITS, stored_bits
from qubo_dnn.errors import OptionError, suggestion

if TYPE_CHECKING:
    from qubo_dnn.compression.task.task import LayerShape


def task_budget(
    budget: Budget,
    layers: Sequence[LayerShape],
    options: Sequence[Option],
    *,
    skipped: Sequence[LayerShape] = (),
    macs: Mapping[str, int] | None = None,
    activation_bits: int = FLOAT_BITS,
    tables: Mapping[str, CostTable] | None = None,
    contents: FileContents | None = None,
) -> TaskBudget:
    """Convert a budget to a linear constraint on the options of all units.

    Args:
        budget: a parsed budget.
        layers: the layers to compress, with U units in total.
        options: K options, the columns of the costs.
        skipped: layers that stay float32; they count as float32 in the stored size of weights and in bit operations,
            and do not count in tables.
        macs: layer name -> multiply-accumulates for one input, see `qubo_dnn.compression.network.macs.count_macs`;
            required if the budget limits bit operations.
        activation_bits: bit width of the inputs of `layers`; 32 if they stay float32.
        tables: name -> table; the budget's table is required if it has one.
        contents: the whole file, for a budget that covers it; None: the file holds the weights of the layers alone.

    Raises:
        OptionError: no layer performs bit operations, the budget's table is missing, all its costs are zero, or the
            budget is one of multiply-accumulates, which is not linear.
        FileFormatError: the table has no cost for a layer at an option.

    Example:
        >>> from qubo_dnn.compression.task.budgets import parse_budget
        >>> from qubo_dnn.compression.task.options import bit_widths
        >>> from qubo_dnn.compression.task.task import LayerShape
        >>> layers = [LayerShape("conv", channels=4, weights_per_channel=9, group=2)]
        >>> task_budget(parse_budget("50%"), layers, bit_widths(4, 8)).used(np.array([0, 1]))  # 4 and 8 bits
        313.0
    """
    if budget.name == SIZE:
        if budget.whole and contents is not None:
            return _file_size(budget, layers, options, contents)
        return _size(budget, layers, options, skipped)
    if budget.name == BOPS:
        return _bops(budget, layers, options, skipped, macs or {}, activation_bits)
    if budget.name == MACS:
        raise OptionError(f"budget {budget.text!r} is not linear: see qubo_dnn.compression.task.macs_budget")
    return _tabled(budget, layers, options, tables or {})


def size_costs(layers: Sequence[LayerShape], options: Sequence[Option]) -> NDArray[np.int64]:
    """Return [U, K] stored bits of every unit at every option.

    Example:
        >>> from qubo_dnn.compression.task.options import bit_widths
        >>> from qubo_dnn.compression.task.task import LayerShape
        >>> layers = [LayerShape("conv", channels=4, weights_per_channel=9, group=2)]
        >>> size_costs(layers, bit_widths(0, 4)).tolist()  # two units, two options
        [[5, 101], [5, 101]]
    """
    rows = [
        [stored_bits(layer.weights_per_channel, channels, option) for option in options]
        for layer in layers
        for channels in layer.unit_channels
    ]
    return np.array(rows, np.int64).reshape(-1, len(options))


def bops_costs(
    layers: Sequence[LayerShape], options: Sequence[Option], macs: Mapping[str, int], activation_bits: int = FLOAT_BITS
) -> NDArray[np.float64]:
    """Return [U, K] bit operations: multiply-accumulates x weight bits x activation bits.

    Masked weights do not count.

    Source: Wang et al. 2020, "Differentiable joint pruning and quantization for hardware efficiency" (BOPs).

    Example:
        >>> from qubo_dnn.compression.task.options import bit_widths
        >>> from qubo_dnn.compression.task.task import LayerShape
        >>> layers = [LayerShape("conv", channels=4, weights_per_channel=9, group=2)]
        >>> bops_costs(layers, bit_widths(0, 4), macs={"conv": 3600}, activation_bits=8).tolist()
        [[0.0, 57600.0], [0.0, 57600.0]]
    """
    rows = []
    for layer in layers:
        per_weight = macs[layer.name] * activation_bits / _weights([layer])
        weight_bits = [option.bits * option.kept(layer.weights_per_channel) for option in options]
        rows.append(per_weight * np.outer(layer.unit_channels, weight_bits))
    return np.concatenate(rows)


def _weights(layers: Sequence[LayerShape]) -> int:
    return sum(layer.channels * layer.weights_per_channel for layer in layers)


def _size(
    budget: Budget, layers: Sequence[LayerShape], options: Sequence[Option], skipped: Sequence[LayerShape]
) -> TaskBudget:
    weights = _weights(layers) + _weights(skipped)
    scale, unit = {
        "bits": (weights, "bits per weight"),
        "fraction": (FLOAT_BITS * weights, "of the fp32 weights"),
        "bytes": (8, "bytes of weights"),
    }[budget.kind]
    overhead = LAYER_OVERHEAD_BITS * len(layers) + FLOAT_BITS * _weights(skipped)
    return _limited(budget, size_costs(layers, options), overhead, int(budget.limit * scale), scale, unit)


def _file_size(
    budget: Budget, layers: Sequence[LayerShape], options: Sequence[Option], contents: FileContents
) -> TaskBudget:
    overhead = LAYER_OVERHEAD_BITS * len(layers) + contents.kept_bits
    if budget.kind == "bits":
        # Without the header: that of a small network alone takes more than three bits per weight.
        scale, unit = contents.numbers, "bits per weight of the whole network"
    else:
        overhead += 8 * contents.header_bytes
        fraction = budget.kind == "fraction"
        scale, unit = (8 * contents.reference_bytes, "of the fp32 file") if fraction else (8, "bytes of the file")
    return _limited(budget, size_costs(layers, options), overhead, int(budget.limit * scale), scale, unit)


def _bops(
    budget: Budget,
    layers: Sequence[LayerShape],
    options: Sequence[Option],
    skipped: Sequence[LayerShape],
    macs: Mapping[str, int],
    activation_bits: int,
) -> TaskBudget:
    total = FLOAT_BITS**2 * sum(macs[layer.name] for layer in (*layers, *skipped))
    if not total:
        raise OptionError(f"budget {budget.text!r}: no layer that can be compressed makes bit operations")
    scale, unit = (total, "of the fp32 BOPs") if budget.kind == "bops-fraction" else (1, "BOPs")
    overhead = FLOAT_BITS**2 * sum(macs[layer.name] for layer in skipped)
    cost = bops_costs(layers, options, macs, activation_bits)
    return _limited(budget, cost, overhead, float(budget.limit * scale), scale, unit)


def _tabled(
    budget: Budget, layers: Sequence[LayerShape], options: Sequence[Option], tables: Mapping[str, CostTable]
) -> TaskBudget:
    if budget.name not in tables:
        known = suggestion(budget.name, tables) if tables else f"; give one with --table {budget.name}=FILE.csv"
        raise OptionError(f"budget {budget.text!r}: there is no table {budget.name!r}{known}")
    table = tables[budget.name].by_layer([layer.name for layer in layers], options)
    dearest = float(table.max(axis=1).sum())
    if not dearest:
        raise OptionError(f"budget {budget.text!r}: the table {budget.name!r} has no cost above zero")
    cost = np.concatenate(
        [np.outer(layer.unit_channels, row) / layer.channels for layer, row in zip(layers, table, strict=True)]
    )
    scale, unit = (dearest, f"of the dearest {budget.name}") if budget.kind == "table-fraction" else (1.0, budget.name)
    return _limited(budget, cost, 0, float(budget.limit) * scale, scale, unit)


def _limited(budget: Budget, cost: Costs, overhead: int, limit: float, scale: float, unit: str) -> TaskBudget:
    return TaskBudget(
        name=budget.name,
        kind=budget.kind,
        text=budget.text,
        cost=cost,
        overhead=overhead,
        limit=limit,
        scale=scale,
        unit=unit,
    )

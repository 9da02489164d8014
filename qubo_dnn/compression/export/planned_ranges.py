"""The grids of a plan as ranges of activations that run in integers of 8 bits.

A tensor has one range for everything that reads it. That of a plan is taken where all of its readers are products on
the same grid, or hand it on as it is to such products.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qubo_dnn.compression.export.activation_pairs import Rounding
from qubo_dnn.compression.quantization.activation_grid import ActivationGrid
from qubo_dnn.compression.task.options import MAX_BITS

# What these write has the range of what they read, number by number.
_HAND_ON = ("Flatten", "MaxPool", "Pad", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")


def planned_grids(
    graph: Any, chosen: Sequence[Any], products: Mapping[str, ActivationGrid], clipped: Sequence[Rounding]
) -> tuple[dict[str, ActivationGrid], list[str]]:
    """Return name of a tensor -> grid of 8 bits that it takes, and names of others that products read on a grid.

    Args:
        graph: a `GraphProto`.
        chosen: its nodes that run in integers.
        products: output of a chosen product -> grid of what it reads.
        clipped: what is clipped to the ends of a narrower grid.

    Example:
        >>> def grids(graph: Any, chosen: Sequence[Any]) -> int:
        ...     return len(planned_grids(graph, chosen, {}, [])[0])
    """
    readers: dict[str, list[Any]] = {value.name: [None] for value in graph.output}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    whole = {node.output[0] for node in chosen}
    clips = {each.rounded for each in clipped}

    def wanted(node: Any, name: str) -> ActivationGrid | None:
        """Return the grid on which a node, or what it hands a tensor on to, reads it; None if there is none."""
        if node is None or node.input[0] != name:
            return None
        if node.output[0] in products:
            return products[node.output[0]]
        hands_on = node.op_type in _HAND_ON and node.output[0] in whole
        return found.get(node.output[0]) if hands_on or node.output[0] in clips else None

    found: dict[str, ActivationGrid] = {}
    # From the outputs of the network to its inputs.
    names = [name for node in reversed(graph.node) for name in node.output] + [value.name for value in graph.input]
    for name in names:
        grids = {wanted(reader, name) for reader in readers.get(name, [None])}
        if len(grids) == 1 and (grid := grids.pop()) is not None:
            found[name] = grid
    _take_back(graph, found, whole)
    read = {node.input[0] for node in chosen if node.output[0] in products}
    return found, sorted(read - found.keys())


def _take_back(graph: Any, found: dict[str, ActivationGrid], whole: set[str]) -> None:
    """Drop the grids of tensors whose range is that of another one without it, in place."""
    for node in graph.node:
        shares = node.op_type in (*_HAND_ON, "AveragePool") and node.output[0] in whole
        if shares and found.get(node.output[0]) != found.get(node.input[0]):
            found.pop(node.output[0], None)


def range_of(grid: ActivationGrid) -> tuple[float, float]:
    """Return the ends of the numbers that codes of 8 bits have with the step and the zero of a grid.

    Example:
        >>> range_of(ActivationGrid(2, 1.0, 1))
        (-1.0, 254.0)
    """
    return (0 - grid.zero) * grid.scale, ((1 << MAX_BITS) - 1 - grid.zero) * grid.scale

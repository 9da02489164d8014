"""Activations that are rounded to their grids in an ONNX graph.

A pair of `QuantizeLinear` and `DequantizeLinear` stands before every product that reads quantized activations, and a
`Clip` to the ends of the grid after it: the integers have 8 bits, and some grids less. It stands there for 8 bits too,
since onnxruntime rounds the weights of a product between two pairs to 8 bits of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qubo_dnn.compression.export.graph_parts import GraphParts
from qubo_dnn.compression.quantization.activation_grid import ActivationGrid
from qubo_dnn.compression.task.options import MAX_BITS
from qubo_dnn.errors import ModelError

_PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# Between a weight and its products.
_LAYOUTS = ("Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


@dataclass(frozen=True)
class Rounding:
    """Activations before and after they are rounded, by their names in a graph.

    Attributes:
        given: what is rounded.
        rounded: the numbers of the grid.
        grid: the grid.

    Example:
        >>> Rounding("relu", "a0:1", ActivationGrid(8, 0.5, 0)).grid.high
        127.5
    """

    given: str
    rounded: str
    grid: ActivationGrid


def products_on_grids(
    graph: Any, weights: Mapping[str, str], grids: Mapping[str, ActivationGrid]
) -> list[tuple[Any, ActivationGrid]]:
    """Return the nodes that multiply quantized activations by a weight, with the grids of these.

    Args:
        graph: a `GraphProto`.
        weights: name in the graph -> key of a weight.
        grids: key of a weight -> grid of what is multiplied by it.

    Raises:
        ModelError: something else reads such a weight.

    Example:
        >>> def products(graph: Any, grid: ActivationGrid) -> int:
        ...     return len(products_on_grids(graph, {"network.0.weight": "0.weight"}, {"0.weight": grid}))
    """
    names = {name: key for name, key in weights.items() if key in grids}
    found = []
    for node in graph.node:
        read = [place for place, name in enumerate(node.input) if name in names]
        if not read:
            continue
        key = names[node.input[read[0]]]
        if node.op_type in _LAYOUTS and read == [0]:
            names[node.output[0]] = key
        elif node.op_type in _PRODUCTS and read == [1]:
            found.append((node, grids[key]))
        else:
            raise ModelError(
                f"the activations that {key} is multiplied by cannot be rounded in an ONNX graph: the operator "
                f"{node.op_type} reads it"
            )
    return found


def round_activations(graph: Any, products: Iterable[tuple[Any, ActivationGrid]]) -> list[Rounding]:
    """Put a pair before every product that reads activations on a grid, in place.

    Args:
        graph: a `GraphProto`.
        products: see `products_on_grids`; those that read the same on the same grid have one pair.

    Example:
        >>> def pairs(graph: Any, node: Any) -> int:
        ...     return len(round_activations(graph, [(node, ActivationGrid(8, 0.5, 0))]))
    """

    def add(parts: GraphParts, given: str, grid: ActivationGrid) -> str:
        pair = [parts.constant(np.array(grid.scale, np.float32)), parts.constant(np.array(grid.zero, np.uint8))]
        rounded = parts.node("DequantizeLinear", [parts.node("QuantizeLinear", [given, *pair]), *pair])
        return _clip(parts, rounded, grid)

    return _insert(graph, products, "a", add)


def clip_activations(graph: Any, products: Iterable[tuple[Any, ActivationGrid]]) -> list[Rounding]:
    """Put a `Clip` to the ends of the grid before products that read activations on a grid of less than 8 bits.

    What the clipped numbers are rounded to is not in the graph yet.

    Example:
        >>> def clips(graph: Any, node: Any) -> int:
        ...     return len(clip_activations(graph, [(node, ActivationGrid(4, 0.5, 0))]))
    """
    return _insert(graph, [each for each in products if each[1].bits < MAX_BITS], "c", _clip)


def _clip(parts: GraphParts, given: str, grid: ActivationGrid) -> str:
    ends = [parts.constant(np.array(end, np.float32)) for end in (grid.low, grid.high)]
    return parts.node("Clip", [given, *ends])


def _insert(graph: Any, products: Iterable[tuple[Any, ActivationGrid]], prefix: str, add: Any) -> list[Rounding]:
    """Let `add` put nodes between products and what they read, once for every tensor and grid."""
    grids = {node.output[0]: grid for node, grid in products}
    made: dict[tuple[str, ActivationGrid], Rounding] = {}
    nodes = []
    for node in graph.node:
        if grid := grids.get(node.output[0]):
            place = node.input[0], grid
            if place not in made:
                parts = GraphParts(f"{prefix}{len(made)}")
                made[place] = Rounding(node.input[0], add(parts, node.input[0], grid), grid)
                nodes += parts.nodes
                graph.initializer.extend(parts.initializers)
            node.input[0] = made[place].rounded
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    return list(made.values())

"""Padding in the graphs of networks that compute in integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.export.integer_weights import IntegerWeight
from qubo_dnn.support.extras import require

# onnxruntime convolves integers directly where it can take input channels in fours, and gives at least 16 channels, in
# fours as well. Otherwise it copies all windows first, which takes longer than the products.
_AT_ONCE, _LEAST = 4, 16


def fill_channels(graph: Any, weights: dict[str, IntegerWeight]) -> set[str]:
    """Add zero channels to the inputs of convolutions, so that they are multiples of four, in place.

    Args:
        graph: a `GraphProto`, whose integer weights are not constants yet.
        weights: name in the graph -> integer weight; changed in place.

    Returns:
        The names of the inputs with more channels.

    Example:
        >>> def filled(graph: Any, weights: dict[str, IntegerWeight]) -> Any:
        ...     fill_channels(graph, weights)
        ...     return graph
    """
    helper, arrays = require("onnx.helper", "onnx"), require("onnx.numpy_helper", "onnx")
    missing = {}
    for name, weight in weights.items():
        channels, inputs = weight.layout.shape[:2]
        readers = [node for node in graph.node if name in node.input]
        able = channels >= _LEAST and channels % _AT_ONCE == 0
        if inputs % _AT_ONCE and able and all(node.op_type == "Conv" and _groups(node) == 1 for node in readers):
            missing[name] = -inputs % _AT_ONCE
            weights[name] = weight.with_more_inputs(missing[name])
    nodes, found = [], set()
    for node in graph.node:
        reads = next((each for each in node.input if each in missing), None)
        if reads is not None:
            filled = f"{node.input[0]}.filled{missing[reads]}"
            if filled not in found:
                axes = len(weights[reads].layout.shape)
                widths = np.zeros(2 * axes, np.int64)
                widths[axes + 1] = missing[reads]
                graph.initializer.append(arrays.from_array(widths, f"{filled}.widths"))
                nodes.append(helper.make_node("Pad", [node.input[0], f"{filled}.widths"], [filled]))
                found.add(filled)
            node.input[0] = filled
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    return found


def _groups(node: Any) -> int:
    return next((each.i for each in node.attribute if each.name == "group"), 1)


def pad_integers(graph: Any) -> None:
    """Pad quantized activations as the integers that they are, not as numbers that are rounded again, in place.

    Args:
        graph: a `GraphProto` with pairs of `QuantizeLinear` and `DequantizeLinear`.

    Example:
        >>> def quick(graph: Any) -> Any:
        ...     pad_integers(graph)
        ...     return graph
    """
    arrays = require("onnx.numpy_helper", "onnx")
    constants = {tensor.name: arrays.to_array(tensor) for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[Any]] = {value.name: [None] for value in graph.output}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for pad in [node for node in graph.node if node.op_type == "Pad"]:
        before, after = makers.get(pad.input[0]), readers.get(pad.output[0], [None])
        if len(after) != 1 or after[0] is None or before is None:
            continue
        (rounding,) = after
        grid = [constants.get(name) for name in before.input[1:]]
        if not _is_pair(before, rounding, constants):
            continue
        given = list(pad.input) + [""] * (3 - len(pad.input))
        filling = _filling(given[2], grid, constants, makers)
        if filling is None:
            continue
        name = f"{rounding.output[0]}.filling"
        graph.initializer.append(arrays.from_array(filling, name))
        for left in [makers[each] for each in given[:3:2] if each in makers]:
            readers[left.output[0]].remove(pad)
            if not readers[left.output[0]]:
                graph.node.remove(left)
        del pad.input[:]
        pad.input.extend([before.input[0], given[1], name, *given[3:]])
        pad.output[0] = rounding.output[0]
        graph.node.remove(rounding)


def _is_pair(before: Any, after: Any, constants: Mapping[str, NDArray[Any]]) -> bool:
    """Return whether integers become numbers and then integers of the same grid, one for the whole tensor."""
    if (before.op_type, after.op_type) != ("DequantizeLinear", "QuantizeLinear"):
        return False
    pairs = [(constants.get(a), constants.get(b)) for a, b in zip(before.input[1:], after.input[1:], strict=True)]
    return len(pairs) == 2 and all(
        a is not None and b is not None and a.ndim == 0 and np.array_equal(a, b) for a, b in pairs
    )


def _filling(
    name: str, grid: Sequence[Any], constants: Mapping[str, NDArray[Any]], makers: Mapping[str, Any]
) -> NDArray[Any] | None:
    """Return the integer that stands for the number which a `Pad` fills with; None if that is not a constant."""
    scale, zero = grid
    if name in makers and makers[name].op_type == "DequantizeLinear":
        parts = [constants.get(each) for each in makers[name].input]
        if len(parts) != 3 or any(part is None for part in parts):
            return None
        code, unit, shift = (float(part) for part in parts)  # type: ignore[arg-type]  # none is None
        value = (code - shift) * unit
    elif name and name not in constants:
        return None
    else:
        value = float(constants[name]) if name else 0.0
    limits = np.iinfo(zero.dtype)
    return np.array(np.clip(np.rint(value / float(scale)) + int(zero), limits.min, limits.max), zero.dtype)

"""An ONNX graph whose convolutions and matrix products run in integers of 8 bits.

onnxruntime's quantizer puts pairs of `QuantizeLinear` and `DequantizeLinear` around them. The weights are those of the
plan, see `qubo_dnn.compression.export.integer_weights`; BatchNorms are folded into their scales, so that codes stay.
The ranges of activations are the extremes on calibration samples.

Processors without VNNI or its like add two products of 8 bits in 16 bits, which saturate above 32,767. With weights up
to 64 they cannot, since 2 x 255 x 64 is less. Where weights are larger, the activations before them take half of the
levels (seven bits), unless the file is for other processors only.

Quantized activations of 8 bits have the grids of the plan, see `qubo_dnn.compression.export.planned_ranges`; those that
take half of the levels have twice their extremes as everything else. Narrower ones are clipped to their grid, and have
its codes. Biases are rounded to multiples of the product of the scales of activations and weights, which shows where
activations take few bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.export.activation_pairs import clip_activations, products_on_grids, round_activations
from qubo_dnn.compression.export.checking import feed, session, with_outputs
from qubo_dnn.compression.export.integer_weights import (
    IntegerWeight,
    channel_overrides,
    fold_batch_norms,
    integer_weight,
)
from qubo_dnn.compression.export.paddings import fill_channels, pad_integers
from qubo_dnn.compression.export.planned_ranges import planned_grids, range_of
from qubo_dnn.compression.export.small import close_weights, opset_for, proto
from qubo_dnn.compression.export.tracing import BASE_OPSET, Traced
from qubo_dnn.compression.quantization.activation_grid import ActivationGrid
from qubo_dnn.compression.quantization.quantize import Quantized
from qubo_dnn.compression.task.options import MAX_BITS
from qubo_dnn.support.extras import require

_PRODUCTS = ("Conv", "Gemm", "MatMul")
# Matrix products give floating-point numbers, which biases, residuals and logits are added up in.
_FLOAT_OUTPUTS = ["Gemm", "MatMul"]
# Operators that run in integers where everything they read comes from such operators.
_FOLLOWERS = (
    *("Add", "AveragePool", "Clip", "Concat", "Flatten", "GlobalAveragePool", "MaxPool", "Pad", "Relu", "Reshape"),
    *("Slice", "Squeeze", "Transpose", "Unsqueeze"),
)
# Of these, the quantizer gives what they read and what they write the same range.
_SAME_RANGE = (*("AveragePool", "Flatten", "MaxPool", "Pad", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"),)
_SAFE = 64
_NAMED = 3  # weights spelled out in a note


@dataclass(frozen=True)
class Place:
    """How a product reads a weight.

    Attributes:
        axis: axis of the output channels in the constant that it reads.
        transposed: the `Transpose` nodes between weight and products.

    Example:
        >>> Place(axis=0).transposed
        ()
    """

    axis: int
    transposed: tuple[Any, ...] = ()


def fast_model(
    traced: Traced, quantized: Mapping[str, Quantized], batches: Sequence[Inputs], *, saturating: bool = True
) -> tuple[Any, list[str]]:
    """Return the graph in integers, an `onnx.ModelProto`, and notes on what does not run as the plan has it.

    Weights that other operators read (tables, recurrent layers, transposed convolutions) are stored as in
    `qubo_dnn.compression.export.small`, and compute in floating-point numbers.

    Args:
        traced: the traced network.
        quantized: key of a weight -> its codes.
        batches: samples for the ranges of the activations.
        saturating: True if the file is also for processors whose products of 8 bits saturate in 16 bits.

    Example:
        >>> def notes_on(traced: Traced, quantized: Mapping[str, Quantized], samples: Inputs) -> list[str]:
        ...     return fast_model(traced, quantized, [samples])[1]
    """
    graph = proto(traced, BASE_OPSET).graph
    rest = {name: key for name, key in traced.weights.items() if _place(graph, name) is None}
    model = proto(traced, opset_for([quantized[key] for key in rest.values()]))
    places = {name: place for name in traced.weights if (place := _place(model.graph, name)) is not None}
    weights = {name: integer_weight(quantized[traced.weights[name]]) for name in places}
    # Their products cannot saturate, and have large steps.
    weights |= {
        name: weights[name].in_small_steps() for name in places if _is_narrow(traced.grids.get(traced.weights[name]))
    }
    round_activations(model.graph, products_on_grids(model.graph, rest, traced.grids))
    in_integers = {name: traced.weights[name] for name in places}
    clipped = clip_activations(model.graph, products_on_grids(model.graph, in_integers, traced.grids))
    fold_batch_norms(model.graph, weights)
    filled = fill_channels(model.graph, weights)
    _close_integer_weights(model.graph, weights, places)
    close_weights(model, rest, quantized)
    notes = _rounding(weights, traced.weights)
    if rest:
        notes.append(f"computed in floating-point numbers: {_some(list(dict.fromkeys(rest.values())))}")
    for number, node in enumerate(model.graph.node):
        node.name = f"n{number}"
    chosen = _integer_nodes(model.graph, weights, filled)
    if not chosen:
        return model, [*notes, "no convolution or matrix product runs in integers"]
    grids = _grids_read(chosen, traced)
    narrow = _narrow(chosen, weights, grids) if saturating else set()
    planned, others = planned_grids(model.graph, chosen, grids, clipped)
    planned = {name: grid for name, grid in planned.items() if name not in narrow}
    if others := [name for name in others if name not in narrow]:
        notes.append(
            f"{len(others)} of the quantized activations are read by other operators too, and take 8 bits of the range "
            "that those need"
        )
    # The quantizer replaces a Clip by the end of the range, where that of these is further away.
    ends = narrow | {each.rounded for each in clipped} | {name for name, grid in planned.items() if grid.zero}
    chosen = [node for node in chosen if node.op_type != "Clip" or node.output[0] not in ends]
    ranges = _ranges(model, chosen, traced.inputs, batches) | {name: range_of(grid) for name, grid in planned.items()}
    if clipped:
        notes.append(f"biases are rounded too where activations take less than 8 bits, as {len(clipped)} do")
    if twice := [each for each in clipped if each.given in ranges and planned.get(each.given) != each.grid]:
        notes.append(f"{len(twice)} activations of less than 8 bits are first rounded to 8, which others read")
    for name in narrow:
        low, high = ranges[name]
        ranges[name] = (low, low + 2 * (high - low))
    if narrow:
        notes.append(
            f"{len(narrow)} activations take 7 bits, because weights that they are multiplied by take 8, and products "
            "of both would saturate on processors without VNNI"
        )
    overrides = {name: channel_overrides(weight, places[name].axis) for name, weight in weights.items()}
    model = _quantized(model, chosen, ranges, overrides)
    for node in model.graph.node:
        node.ClearField("name")
    return model, notes


def _place(graph: Any, name: str) -> Place | None:
    """Return how products read a weight; None if anything else reads it, or in another layout."""
    readers = [node for node in graph.node if name in node.input]
    if all(node.op_type == "Conv" and node.input[1] == name for node in readers):
        return Place(0)
    if all(node.op_type == "Gemm" and node.input[1] == name and _attributes(node).get("transB") for node in readers):
        return Place(0)
    turned = [node for node in readers if node.op_type == "Transpose" and list(_attributes(node)["perm"]) == [1, 0]]
    after = {node.output[0] for node in turned}
    products = [node for node in graph.node if after.intersection(node.input)]
    if len(turned) == len(readers) and all(
        node.op_type == "MatMul" and node.input[1] in after and node.input[0] not in after for node in products
    ):
        return Place(1, tuple(turned))
    return None


def _attributes(node: Any) -> dict[str, Any]:
    value = require("onnx.helper", "onnx").get_attribute_value
    return {each.name: value(each) for each in node.attribute}


def _close_integer_weights(graph: Any, weights: Mapping[str, IntegerWeight], places: Mapping[str, Place]) -> None:
    """Make float32 constants of the weights, in the layout in which products read them; the quantizer rounds them."""
    helper = require("onnx.numpy_helper", "onnx")
    kept = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(kept)
    for name, weight in weights.items():
        values = weight.rows().reshape(weight.layout.shape)
        renamed = {node.output[0]: name for node in places[name].transposed}
        for node in places[name].transposed:
            graph.node.remove(node)
        for node in graph.node:
            for position, given in enumerate(node.input):
                node.input[position] = renamed.get(given, given)
        graph.initializer.append(helper.from_array(np.ascontiguousarray(values.T if renamed else values), name))


def _integer_nodes(graph: Any, weights: Mapping[str, IntegerWeight], filled: Set[str]) -> list[Any]:
    """Return the products with integer weights, the padding of their channels, and what follows them in integers."""
    whole: set[str] = set()
    constants = {tensor.name for tensor in graph.initializer}
    chosen = []
    for node in graph.node:
        if node.op_type in _PRODUCTS:
            if len(node.input) < 2 or node.input[1] not in weights:
                continue
        elif node.op_type in ("Add", "Concat"):
            if not all(name in whole for name in node.input):
                continue
        elif node.op_type not in _FOLLOWERS or not (node.input[0] in whole or node.output[0] in filled):
            continue
        if node.op_type not in _FLOAT_OUTPUTS:
            whole.update(name for name in node.output if name not in constants)
        chosen.append(node)
    return chosen


def _grids_read(chosen: Sequence[Any], traced: Traced) -> dict[str, ActivationGrid]:
    """Return output of a product -> grid of the activations that it reads."""
    products = {node.output[0]: traced.weights[node.input[1]] for node in chosen if node.op_type in _PRODUCTS}
    return {output: traced.grids[key] for output, key in products.items() if key in traced.grids}


def _narrow(
    chosen: Sequence[Any], weights: Mapping[str, IntegerWeight], grids: Mapping[str, ActivationGrid]
) -> set[str]:
    """Return the activations that large weights are multiplied by, and those that have to have the same range.

    Those on grids of less than 8 bits are narrow already.
    """
    products = [node for node in chosen if node.op_type in _PRODUCTS and _is_large(weights[node.input[1]])]
    narrow = {node.input[0] for node in products if not _is_narrow(grids.get(node.output[0]))}
    for node in reversed(chosen):
        if node.op_type in _SAME_RANGE and node.output[0] in narrow:
            narrow.add(node.input[0])
    return narrow


def _is_narrow(grid: ActivationGrid | None) -> bool:
    """Return whether activations take so few bits that two products with any weights fit 16 bits."""
    return grid is not None and grid.bits < MAX_BITS


def _is_large(weight: IntegerWeight) -> bool:
    return int(np.abs(weight.codes.astype(np.int16)).max(initial=0)) > _SAFE


def _ranges(
    model: Any, chosen: Sequence[Any], inputs: Sequence[str], batches: Sequence[Inputs]
) -> dict[str, tuple[float, float]]:
    """Return the extremes of everything that the chosen nodes read and give, zero included."""
    constants = {tensor.name for tensor in model.graph.initializer}
    names = {name for node in chosen for name in (*node.input, *node.output) if name and name not in constants}
    running = session(with_outputs(model, sorted(names)))
    taken = {value.name for value in running.get_inputs()}
    ranges = dict.fromkeys(sorted(names), (0.0, 0.0))

    def widen(name: str, values: NDArray[Any]) -> None:
        low, high = ranges[name]
        ranges[name] = (min(low, float(values.min())), max(high, float(values.max())))

    for batch in batches:
        fed = {name: value for name, value in feed(inputs, batch).items() if name in taken}
        for name in names & fed.keys():
            widen(name, fed[name])
        for value, output in zip(running.run(None, fed), running.get_outputs(), strict=True):
            widen(output.name, value)
    return ranges


def _quantized(
    model: Any,
    chosen: Sequence[Any],
    ranges: Mapping[str, tuple[float, float]],
    overrides: Mapping[str, Sequence[Mapping[str, Any]]],
) -> Any:
    """Let onnxruntime's quantizer put the pairs in."""
    library = require("onnxruntime.quantization", "onnx")
    data = {
        name: library.TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in ranges.items()
    }
    quantizer = library.QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=False,
        weight_qType=library.QuantType.QInt8,
        activation_qType=library.QuantType.QUInt8,
        tensors_range=library.TensorsData(library.CalibrationMethod.MinMax, data),
        nodes_to_quantize=[node.name for node in chosen],
        nodes_to_exclude=[],
        op_types_to_quantize=[*_PRODUCTS, *_FOLLOWERS],
        extra_options={
            "TensorQuantOverrides": dict(overrides),
            "OpTypesToExcludeOutputQuantization": _FLOAT_OUTPUTS,
        },
    )
    quantizer.quantize_model()
    pad_integers(quantizer.model.model.graph)
    quantizer.model.topological_sort()
    return quantizer.model.model


def _rounding(weights: Mapping[str, IntegerWeight], keys: Mapping[str, str]) -> list[str]:
    """Say which weights are not exactly those of the plan."""
    channels = sum(int(weight.rounded.sum()) for weight in weights.values())
    if not channels:
        return []
    every = sum(len(weight.rounded) for weight in weights.values())
    names = [keys[name] for name, weight in weights.items() if weight.rounded.any()]
    return [f"{channels} of {every} channels do not fit signed 8 bits, and are rounded to 255 levels: {_some(names)}"]


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")

"""An ONNX graph whose compressed weights are integers of 2, 4 or 8 bits, and are made floating-point when it is loaded.

Quantized activations are rounded where they are read, see `qubo_dnn.compression.export.activation_pairs`.

A weight is `scale * (code + offset)`, channel by channel. Its codes are stored in as few tensors as there are different
integer types among its channels; pruned channels take no space. `Cast`, `Concat`, `Gather` (which restores the order of
the channels), `Add` and `Mul` compute the weight from them: unlike `DequantizeLinear`, onnxruntime evaluates
these once, when it loads the graph, so that it runs as fast as one of floats; and the weights have the very bits of
the network in torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from qubo_dnn.compression.export.activation_pairs import Rounding, products_on_grids, round_activations
from qubo_dnn.compression.export.graph_parts import GraphParts
from qubo_dnn.compression.export.tracing import BASE_OPSET, BATCH, Traced
from qubo_dnn.compression.quantization.grid import levels
from qubo_dnn.compression.quantization.quantize import Quantized
from qubo_dnn.compression.task.options import FLOAT_BITS
from qubo_dnn.support.extras import require

# Width of an integer type -> the first operator set of ONNX that has it.
_OPSETS = {2: 25, 4: 21, 8: BASE_OPSET}
_FLOAT, _BOOL, _INT32 = 1, 9, 6  # numbers of types in onnx.TensorProto


def small_model(traced: Traced, quantized: Mapping[str, Quantized]) -> tuple[Any, list[Rounding]]:
    """Return the graph with codes as weights, an `onnx.ModelProto`, and what is rounded to grids in it.

    Args:
        traced: the traced network.
        quantized: key of a weight -> its codes.

    Example:
        >>> def size_of(traced: Traced, quantized: Mapping[str, Quantized]) -> int:
        ...     return len(small_model(traced, quantized)[0].SerializeToString())
    """
    model = proto(traced, opset_for([quantized[key] for key in traced.weights.values()]))
    rounded = round_activations(model.graph, products_on_grids(model.graph, traced.weights, traced.grids))
    close_weights(model, traced.weights, quantized)
    return model, rounded


def float_model(traced: Traced, network: nn.Module) -> Any:
    """Return the graph of a network with its weights in float32, an `onnx.ModelProto`.

    Example:
        >>> def fp32_bytes(traced: Traced, network: nn.Module) -> int:
        ...     return len(float_model(traced, network).SerializeToString())
    """
    helper = require("onnx.numpy_helper", "onnx")

    def store(parts: GraphParts, key: str, name: str) -> None:
        parts.initializers.append(helper.from_array(network.get_parameter(key).detach().numpy(), name))

    model = proto(traced, BASE_OPSET)
    _close(model, traced.weights, store)
    return model


def opset_for(weights: Iterable[Quantized]) -> int:
    """Return the oldest operator set that has the integer types of these weights.

    Example:
        >>> import torch
        >>> from qubo_dnn.compression.quantization.quantize import quantize
        >>> from qubo_dnn.compression.task.options import Option
        >>> opset_for([quantize(torch.ones(1, 3), Option(3))]), opset_for([quantize(torch.ones(1, 3), Option(2))])
        (21, 25)
    """
    widths = {int(width) for each in weights for width in _type_of(each.bits.numpy())}
    return max((_OPSETS[width] for width in widths & _OPSETS.keys()), default=BASE_OPSET)


def proto(traced: Traced, opset: int) -> Any:
    """Return the traced graph as an `onnx.ModelProto` of an operator set, without what only describes it.

    Its version of the intermediate representation is the least that allows the operator set.

    Example:
        >>> def bare(traced: Traced) -> int:
        ...     return len(proto(traced, 21).graph.node)
    """
    ir, helper = require("onnx_ir", "onnx"), require("onnx.helper", "onnx")
    model = ir.to_proto(traced.model)
    if opset > BASE_OPSET:
        raised = ir.from_proto(model)
        require("onnxscript.version_converter", "onnx").convert_version(raised, opset)
        model = ir.to_proto(raised)
    model.ir_version = helper.find_min_ir_version_for(model.opset_import)
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    for thing in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer):
        thing.ClearField("doc_string")
        del thing.metadata_props[:]
    for node in model.graph.node:
        node.ClearField("name")
    for value in (*model.graph.input, *model.graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param:
                dimension.dim_param = re.sub(rf"\b{re.escape(traced.batch)}\b", BATCH, dimension.dim_param)
    return model


def close_weights(model: Any, weights: Mapping[str, str], quantized: Mapping[str, Quantized]) -> None:
    """Replace graph inputs that stand for weights by nodes that compute the weights, in place.

    Args:
        model: an `onnx.ModelProto`.
        weights: name of a graph input -> key of the weight; a shared weight, which has several names, is stored once.
        quantized: key of a weight -> its codes.

    Example:
        >>> def closed(model: Any, codes: Quantized) -> Any:
        ...     close_weights(model, {"network.0.weight": "0.weight"}, {"0.weight": codes})
        ...     return model
    """
    _close(model, weights, lambda parts, key, name: _weight(parts, quantized[key], name))


def _close(model: Any, weights: Mapping[str, str], store: Callable[[GraphParts, str, str], None]) -> None:
    """Replace graph inputs that stand for weights by what `store` adds for the key of a weight under a name."""
    graph = model.graph
    kept = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(kept)
    names: dict[str, list[str]] = {}
    for name, key in weights.items():
        names.setdefault(key, []).append(name)
    for number, (key, (name, *others)) in enumerate(names.items()):
        parts = GraphParts(f"w{number}")
        store(parts, key, name)
        for other in others:
            parts.node("Identity", [name], other)
        parts.insert_into(graph)


def _type_of(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return for every width the least width of a type of ONNX: an integer, or float32; 0 for pruned channels."""
    widths = np.array([0, *_OPSETS, FLOAT_BITS])
    return widths[np.searchsorted(widths, bits)]


def _weight(parts: GraphParts, quantized: Quantized, output: str) -> None:
    """Add the nodes that compute a weight."""
    layout, bits = quantized.layout, quantized.bits.numpy()
    grid = levels(bits, quantized.scale_codes.numpy(), quantized.offset_codes.numpy())
    rows = _codes(parts, quantized)
    rows = parts.node("Add", [rows, parts.constant(grid.offset)])
    scale = np.where(quantized.plain.numpy()[:, None], np.float32(1.0), grid.scale * np.float32(quantized.base))
    rows = parts.node("Mul", [rows, parts.constant(scale)])
    if not quantized.kept.numpy()[bits > 0].all():
        rows = parts.node("Mul", [rows, _mask(parts, quantized.kept.numpy())])
    if layout.transposed:
        # [groups, channels of a group, inputs of a group, positions] -> [groups, inputs, channels, positions]
        split = (layout.transposed, layout.shape[1], layout.shape[0] // layout.transposed, -1)
        rows = parts.node("Reshape", [rows, parts.constant(np.array(split))])
        rows = parts.node("Transpose", [rows], perm=[0, 2, 1, 3])
    parts.node("Reshape", [rows, parts.constant(np.array(layout.shape))], output)


def _codes(parts: GraphParts, quantized: Quantized) -> str:
    """Add the codes as float32 `[channels, weights per channel]`; those of pruned channels are 0."""
    dtypes = require("ml_dtypes", "onnx")
    codes, types = quantized.codes.numpy(), _type_of(quantized.bits.numpy())
    pieces, order = [], []
    for width in np.unique(types).tolist():
        channels = np.flatnonzero(types == width)
        order.append(channels)
        if width == 0:
            shape = parts.constant(np.array([len(channels), codes.shape[1]]))
            pieces.append(parts.node("ConstantOfShape", [shape]))
        elif width == FLOAT_BITS:
            pieces.append(parts.constant(quantized.floats.numpy()))
        else:
            stored = parts.constant(codes[channels].astype({2: dtypes.int2, 4: dtypes.int4, 8: np.int8}[width]))
            pieces.append(parts.node("Cast", [stored], to=_FLOAT))
    if len(pieces) == 1:
        return pieces[0]
    rows = parts.node("Concat", pieces, axis=0)
    place = np.argsort(np.concatenate(order))
    if (place == np.arange(len(place))).all():
        return rows
    # Gather takes no narrow integers.
    narrow = np.min_scalar_type(len(place) - 1)
    return parts.node("Gather", [rows, parts.node("Cast", [parts.constant(place.astype(narrow))], to=_INT32)], axis=0)


def _mask(parts: GraphParts, kept: NDArray[np.bool_]) -> str:
    """Add a mask as float32 `[channels, weights per channel]`, stored in one bit per weight."""
    channels, count = kept.shape
    packed = parts.constant(np.packbits(kept, axis=1)[:, :, None])
    single = parts.constant(np.packbits(np.eye(8, dtype=np.uint8), axis=1)[:, 0])
    bits = parts.node("Cast", [parts.node("BitwiseAnd", [packed, single])], to=_BOOL)
    whole = parts.node("Reshape", [bits, parts.constant(np.array([channels, -1]))])
    ends = [parts.constant(np.array([number])) for number in (0, count, 1)]
    return parts.node("Cast", [parts.node("Slice", [whole, *ends])], to=_FLOAT)

"""Compressed weights as signed integers of 8 bits without an offset, which convolutions in integers take.

If the offset is a multiple of 1/m, the weight `scale * (code + offset)` is `(scale / m) * (m * (code + offset))`.
Up to six bits, `m * (code + offset)` is always an integer of at most 63 in magnitude; with seven and eight bits it may
leave the range of -127 to 127, and then the channel is rounded to 127 steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.network.weight_layout import Layout
from qubo_dnn.compression.quantization.grid import levels
from qubo_dnn.compression.quantization.quantize import Quantized
from qubo_dnn.support.extras import require

LARGEST = 127
_FINEST = 16  # all offsets are multiples of 1/16
_SMALLEST_SCALE = 1e-6  # relative to the largest scale of the layer; what is below, no output of 8 bits shows


@dataclass(frozen=True, eq=False)
class IntegerWeight:
    """A weight `scale * code`, channel by channel.

    Attributes:
        layout: layout of the weight.
        codes: `[channels, weights per channel]` int8, from -127 to 127.
        scale: `[channels]` float32 > 0.
        rounded: `[channels]` True for channels that are not exactly those of the plan.

    Example:
        >>> weight = IntegerWeight(Layout((1, 2)), np.array([[3, -1]], np.int8), np.float32([0.5]), np.array([False]))
        >>> weight.rows().tolist(), weight.times(np.array([-2.0])).rows().tolist()
        ([[1.5, -0.5]], [[-3.0, 1.0]])
    """

    layout: Layout
    codes: NDArray[np.int8]
    scale: NDArray[np.float32]
    rounded: NDArray[np.bool_]

    def rows(self) -> NDArray[np.float32]:
        """Return the weights as float32 `[channels, weights per channel]`."""
        return self.codes * self.scale[:, None]

    def times(self, factor: NDArray[np.float64]) -> IntegerWeight:
        """Return the weight with every channel multiplied by a factor `[channels]`; the codes stay, but for the sign.

        Channels that become next to nothing become zero.
        """
        scale = np.abs(factor) * self.scale.astype(np.float64)
        tiny = scale <= _SMALLEST_SCALE * scale.max(initial=0.0)
        codes = np.where(tiny[:, None], 0, self.codes * np.sign(factor)[:, None]).astype(np.int8)
        lost = tiny & (self.codes != 0).any(1) & (factor != 0)
        return IntegerWeight(self.layout, codes, _filled(scale, tiny), self.rounded | lost)

    def in_small_steps(self) -> IntegerWeight:
        """Return the weight with the largest codes that 8 bits allow; biases are rounded to steps of its scale."""
        factor = LARGEST // np.maximum(np.abs(self.codes.astype(np.int16)).max(1, initial=1), 1)
        codes = (self.codes * factor[:, None]).astype(np.int8)
        return replace(self, codes=codes, scale=(self.scale / factor).astype(np.float32))

    def with_more_inputs(self, count: int) -> IntegerWeight:
        """Return the weight of a convolution with further input channels, which it ignores."""
        channels, inputs, *kernel = self.layout.shape
        widths = [(0, 0), (0, count), *((0, 0) for _ in kernel)]
        codes = np.pad(self.codes.reshape(self.layout.shape), widths).reshape(channels, -1)
        return replace(self, layout=Layout((channels, inputs + count, *kernel)), codes=codes)


def integer_weight(quantized: Quantized) -> IntegerWeight:
    """Return codes as integers of 8 bits without an offset.

    Example:
        >>> import torch
        >>> from qubo_dnn.compression.quantization.quantize import dequantize, quantize
        >>> from qubo_dnn.compression.task.options import Option
        >>> quantized = quantize(torch.tensor([[1.0, -0.5, 0.3]]), Option(3))
        >>> weight = integer_weight(quantized)
        >>> bool(weight.rounded[0]), np.allclose(weight.rows(), dequantize(quantized).numpy())
        (False, True)
    """
    grid = levels(quantized.bits.numpy(), quantized.scale_codes.numpy(), quantized.offset_codes.numpy())
    shifted = (quantized.codes.numpy() + grid.offset.astype(np.float64)) * quantized.kept.numpy()
    # The least power of two that makes integers of the offsets of a channel.
    parts = np.stack([(grid.offset[:, 0] * 2**power) % 1 == 0 for power in range(_FINEST.bit_length())])
    multiple = 2.0 ** parts.argmax(axis=0)[:, None]
    exact, plain = shifted * multiple, quantized.plain.numpy()[:, None]
    exact[plain[:, 0]] = quantized.floats.numpy()
    largest = np.abs(exact).max(axis=1, keepdims=True)
    rounded = (largest > LARGEST) | (plain & (largest > 0.0))
    factor = np.where(rounded, largest / LARGEST, 1.0)
    unit = np.where(plain, 1.0, grid.scale.astype(np.float64) * quantized.base / multiple)
    scale = (unit * factor)[:, 0]
    codes = np.round(exact / factor).astype(np.int8)
    pruned = ~codes.any(axis=1) | (scale == 0)
    return IntegerWeight(quantized.layout, codes, _filled(scale, pruned), rounded[:, 0])


def _filled(scale: NDArray[np.float64], empty: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return scales > 0: channels without weights get that of an ordinary channel, so that their bias is not coarse."""
    ordinary = float(np.median(scale[~empty])) if (~empty).any() else 2.0**-10
    return np.where(empty, ordinary, scale).astype(np.float32)


def fold_batch_norms(graph: Any, weights: dict[str, IntegerWeight]) -> None:
    """Fold BatchNorms that follow a convolution or a matrix product into its weight and bias, in place.

    Args:
        graph: a `GraphProto`, whose integer weights are not constants yet.
        weights: name in the graph -> integer weight; changed in place.

    Example:
        >>> def folded(graph: Any, weights: dict[str, IntegerWeight]) -> Any:
        ...     fold_batch_norms(graph, weights)
        ...     return graph
    """
    helper = require("onnx.numpy_helper", "onnx")
    constants = {tensor.name: tensor for tensor in graph.initializer}
    readers: dict[str, list[Any]] = {output.name: [None] for output in graph.output}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    makers = {name: node for node in graph.node for name in node.output}
    for norm in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        maker = makers.get(norm.input[0])
        if maker is None or len(maker.input) < 2 or maker.input[1] not in weights:
            continue
        if any(len(readers[name]) > 1 for name in (norm.input[0], maker.input[1])):
            continue
        if any(name not in constants for name in (*norm.input[1:], *maker.input[2:])):
            continue
        gamma, beta, mean, variance = (helper.to_array(constants[name]).astype(np.float64) for name in norm.input[1:5])
        epsilon = next((each.f for each in norm.attribute if each.name == "epsilon"), 1e-5)
        factor = gamma / np.sqrt(variance + epsilon)
        bias = helper.to_array(constants[maker.input[2]]).astype(np.float64) if len(maker.input) > 2 else 0.0
        weights[maker.input[1]] = weights[maker.input[1]].times(factor)
        name = f"{norm.output[0]}.bias"
        graph.initializer.append(helper.from_array(((bias - mean) * factor + beta).astype(np.float32), name))
        del maker.input[2:]
        maker.input.append(name)
        maker.output[0] = norm.output[0]
        graph.node.remove(norm)


def channel_overrides(weight: IntegerWeight, axis: int) -> list[Mapping[str, Any]]:
    """Return the scales of a weight as onnxruntime's quantizer takes them.

    Example:
        >>> weight = IntegerWeight(Layout((1, 2)), np.array([[3, -1]], np.int8), np.float32([0.5]), np.array([False]))
        >>> channel_overrides(weight, 0)[0]["axis"]
        0
    """
    kind = require("onnxruntime.quantization", "onnx").QuantType.QInt8
    return [{"axis": axis, "quant_type": kind, "scale": scale, "zero_point": np.int8(0)} for scale in weight.scale]

"""The codes of a compressed weight without the channels that have been removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from qubo_dnn.compression.network.weight_layout import Layout
from qubo_dnn.compression.quantization.quantize import Quantized
from qubo_dnn.compression.removal.remove_pruned import Removal


def codes_without(codes: Mapping[str, Quantized], removal: Removal) -> dict[str, Quantized]:
    """Return the codes of a network without the channels that have been removed from it.

    Args:
        codes: key of a weight in the `state_dict` of the whole network -> its codes.
        removal: the removal.

    Example:
        >>> def weights_left(codes: Mapping[str, Quantized], removal: Removal) -> int:
        ...     return sum(each.codes.numel() for each in codes_without(codes, removal).values())
    """
    return {
        key: smaller_codes(each, removal.channels.get(name, ()), removal.inputs.get(name, ()))
        if (name := key.removesuffix(".weight")) in removal.channels.keys() | removal.inputs.keys()
        else each
        for key, each in codes.items()
    }


def smaller_codes(quantized: Quantized, outputs: Sequence[int], inputs: Sequence[int]) -> Quantized:
    """Return the codes of a weight without some channels; the others keep their grids.

    Args:
        quantized: the codes of a convolution without groups, a depthwise one, or a Linear.
        outputs: output channels to drop.
        inputs: input channels or features to drop; none of a depthwise convolution.

    Example:
        >>> from qubo_dnn.compression.quantization.quantize import dequantize, quantize
        >>> from qubo_dnn.compression.task.options import Option
        >>> whole = quantize(torch.tensor([[1.0, -0.5, 0.5], [0.2, 0.1, 0.3]]), Option(8))
        >>> part = smaller_codes(whole, outputs=[1], inputs=[0])
        >>> torch.equal(dequantize(part), dequantize(whole)[:1, 1:])
        True
    """
    transposed = bool(quantized.layout.transposed)
    shape = list(quantized.layout.shape)
    of_inputs, of_outputs = (0, 1) if transposed else (1, 0)
    rows, columns = _others(shape[of_outputs], outputs), _others(shape[of_inputs], inputs)
    shape[of_outputs], shape[of_inputs] = len(rows), len(columns)

    read = quantized.layout.shape[of_inputs]
    kernel = quantized.layout.weights_per_channel // read

    def chosen(table: Tensor, kept: Tensor) -> Tensor:
        """Return rows, and in each the positions of the remaining inputs."""
        return table.view(len(table), read, kernel)[kept][:, columns].flatten(1)

    return replace(
        quantized,
        layout=Layout(tuple(shape), quantized.layout.transposed),
        bits=quantized.bits[rows],
        scale_codes=quantized.scale_codes[rows],
        offset_codes=quantized.offset_codes[rows],
        kept=chosen(quantized.kept, rows),
        codes=chosen(quantized.codes, rows),
        floats=chosen(quantized.floats, _float_rows(quantized, rows)),
    )


def _others(count: int, dropped: Sequence[int]) -> Tensor:
    return torch.tensor(sorted({*range(count)}.difference(dropped)), dtype=torch.int64)


def _float_rows(quantized: Quantized, channels: Tensor) -> Tensor:
    """Return the rows of `floats` that belong to some channels."""
    plain = quantized.plain[channels]
    return (torch.cumsum(quantized.plain, 0) - 1)[channels][plain]

"""Per-channel uniform quantization of weights to 0 (pruned) to 8 bits; the clipping has least squared error.

A channel of 32 bits is not quantized.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qubo_dnn.compression.network.weight_layout import Layout
from qubo_dnn.compression.quantization.grid import best_codes, levels
from qubo_dnn.compression.task.options import FLOAT_BITS, MAX_BITS, Option
from qubo_dnn.errors import ModelError, OptionError

_WEIGHTS_PER_JOB = 1 << 18


@dataclass(frozen=True, eq=False)
class Quantized:
    """A weight as codes, on the CPU; `qubo_dnn.compression.quantization.grid` defines the codes.

    Attributes:
        layout: layout of the weight.
        base: float32 number >= 0, the unit of all scales of the layer.
        bits: `[channels]` uint8 width of every channel, 0 (pruned) to `MAX_BITS`, or `FLOAT_BITS`.
        scale_codes: `[channels]` uint8; 0 in pruned channels and in those that are not quantized.
        offset_codes: `[channels]` uint8; likewise.
        kept: `[channels, weights per channel]` bool; False for weights that are zero and have no code, because
            the channel is pruned or the weight is masked.
        codes: `[channels, weights per channel]` int8; 0 for weights that are not kept, or not quantized.
        floats: `[channels of FLOAT_BITS, weights per channel]` float32 weights of the channels that are not quantized.

    Example:
        >>> quantized = quantize(torch.tensor([[1.0, -0.5], [0.2, 0.1]]), [Option(4), Option(0)])
        >>> quantized.bits.tolist(), quantized.made_by([Option(4), Option(0)])
        ([4, 0], True)
    """

    layout: Layout
    base: float
    bits: Tensor
    scale_codes: Tensor
    offset_codes: Tensor
    kept: Tensor
    codes: Tensor
    floats: Tensor

    @property
    def plain(self) -> Tensor:
        """`[channels]` bool; True for channels that are not quantized."""
        return self.bits == FLOAT_BITS

    def made_by(self, options: Sequence[Option]) -> bool:
        """Return whether every channel has the width and the number of kept weights of its option in `options`."""
        kept = [option.kept(self.layout.weights_per_channel) for option in options]
        return self.bits.tolist() == [option.bits for option in options] and self.kept.sum(1).tolist() == kept


def quantize(
    weight: Tensor, options: Option | Sequence[Option], name: str = "weight", layout: Layout | None = None
) -> Quantized:
    """Quantize a weight channel by channel; a channel's codes depend on its own weights, its option and the base.

    With sparsity, the weights of largest magnitude are kept, and scale and offset are fitted to them.

    Args:
        weight: floating-point weight with at least one number per channel.
        options: one option per output channel, or one for all.
        name: name of the layer, for messages.
        layout: layout of the weight; None: output channels come first.

    Raises:
        OptionError: the number of options differs from the number of channels.
        ModelError: a weight is not finite, or too large for float32 arithmetic.

    Example:
        >>> quantized = quantize(torch.tensor([[1.0, -0.5, 0.1]]), Option.parse("4@50%"))
        >>> quantized.kept.tolist()
        [[True, True, False]]
    """
    layout = layout or Layout(tuple(weight.shape))
    each = [options] * layout.channels if isinstance(options, Option) else list(options)
    if len(each) != layout.channels:
        raise OptionError(f"{name}: {len(each)} options for {layout.channels} output channels")
    base, rows = scaled_rows(weight, layout, name)
    bits = np.array([option.bits for option in each], dtype=np.uint8)
    kept = largest(rows.abs(), [option.kept(layout.weights_per_channel) for option in each])
    scale_codes, offset_codes = search(rows.numpy(), bits, kept.numpy())
    plain = torch.from_numpy(bits == FLOAT_BITS)
    scale, offset, low, high = map(torch.from_numpy, levels(bits, scale_codes, offset_codes))
    codes = (rows / scale).sub_(offset).round_().clamp_(low, high).mul_(kept).to(torch.int8)
    floats = layout.rows(weight.detach().float().cpu())[plain] * kept[plain]
    return Quantized(
        layout=layout,
        base=base,
        bits=torch.from_numpy(bits),
        scale_codes=torch.from_numpy(scale_codes),
        offset_codes=torch.from_numpy(offset_codes),
        kept=kept,
        codes=codes,
        floats=floats,
    )


def dequantize(quantized: Quantized) -> Tensor:
    """Return the float32 weight of the codes, in its original shape, on the CPU; the same bits on every machine.

    Example:
        >>> dequantize(quantize(torch.tensor([[1.0, -1.0, 0.5]]), Option(8))).round(decimals=2).tolist()
        [[1.0, -1.0, 0.5]]
    """
    scale, offset, _, _ = grids(quantized)
    values = quantized.codes.float().add_(offset).mul_(scale).masked_fill_(~quantized.kept, 0.0)
    values[quantized.plain] = quantized.floats
    return quantized.layout.weight(values)


def grids(quantized: Quantized) -> Tensor:
    """Return `[4, channels, 1]` float32: scale, offset, least and largest code of every channel's grid.

    A code stands for `scale * (code + offset)`; the scale is that of the weight itself, not relative to the base.

    Example:
        >>> scale, offset, low, high = grids(quantize(torch.tensor([[1.0, -1.0]]), Option(1)))
        >>> (scale * (low + offset)).tolist(), (scale * (high + offset)).tolist()
        ([[-1.0]], [[1.0]])
    """
    coded = (quantized.bits, quantized.scale_codes, quantized.offset_codes)
    scale, *others = map(torch.from_numpy, levels(*(codes.numpy() for codes in coded)))
    return torch.stack([scale * quantized.base, *others])


def scaled_rows(weight: Tensor, layout: Layout, name: str) -> tuple[float, Tensor]:
    """Return the base of a layer and its weights relative to the base.

    The base is twice the largest magnitude: the coarsest useful scale, which is that of one bit at offset 1/2.

    Returns:
        The base, a float32 number >= 0, and `[channels, weights per channel]` float32 on the CPU, within -1/2 and 1/2.

    Raises:
        ModelError: a weight is not finite, or too large for float32 arithmetic.

    Example:
        >>> base, rows = scaled_rows(torch.tensor([[1.0, -0.5]]), Layout((1, 2)), "layer")
        >>> base, rows.tolist()
        (2.0, [[0.5, -0.25]])
    """
    weight = weight.detach().to("cpu", torch.promote_types(weight.dtype, torch.float32))
    if not torch.isfinite(weight).all():
        raise ModelError(f"{name}: a weight is not finite (NaN or infinite)")
    base = 2.0 * float(weight.abs().max())
    if base > torch.finfo(torch.float32).max:
        raise ModelError(f"{name}: a weight is too large for float32 arithmetic")
    base = float(np.float32(base))
    return base, layout.rows((weight / (base or 1.0)).float()).contiguous()


def largest(scores: Tensor, counts: Sequence[int]) -> Tensor:
    """Return `[channels, n]` bool: True at the `counts[c]` largest scores of channel c.

    Ties go to the first ones, so that the choice is the same on every machine.

    Args:
        scores: `[channels, n]`.
        counts: `[channels]` number of entries to choose.

    Example:
        >>> largest(torch.tensor([[3.0, 1.0, 2.0]]), counts=[2]).tolist()
        [[True, False, True]]
    """
    ranks = scores.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return ranks < torch.tensor(counts)[:, None]


def search(
    rows: NDArray[np.float32], bits: NDArray[np.uint8], kept: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Find the scale and offset codes of least squared error over the kept weights of every channel.

    The search uses as many threads as torch.

    Args:
        rows: `[channels, n]` weights divided by the layer's base.
        bits: `[channels]` width of every channel.
        kept: `[channels, n]` True for kept weights; none in pruned channels, at least one in the others.

    Returns:
        Scale codes and offset codes, `[channels]` each; 0 in channels that are pruned or not quantized.

    Example:
        >>> rows, kept = np.array([[-0.5, 0.5, 0.25]], np.float32), np.ones((1, 3), bool)
        >>> scale_codes, offset_codes = search(rows, np.array([4], np.uint8), kept)
        >>> scale_codes.shape, offset_codes.shape
        ((1,), (1,))
    """
    codes = np.zeros((2, len(rows)), dtype=np.uint8)
    counts = kept.sum(axis=1)
    jobs = []
    coded = (bits > 0) & (bits <= MAX_BITS)
    for width, count in np.unique(np.stack([bits, counts])[:, coded], axis=1).T.tolist():
        channels = np.flatnonzero((bits == width) & (counts == count))
        step = max(1, _WEIGHTS_PER_JOB // count)
        jobs += [(width, count, channels[first : first + step]) for first in range(0, len(channels), step)]

    def run(job: tuple[int, int, NDArray[np.intp]]) -> None:
        width, count, channels = job
        chosen = rows[channels][kept[channels]].reshape(-1, count)
        codes[:, channels] = best_codes(chosen, width)

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for _ in pool.map(run, jobs):
            pass
    return codes[0], codes[1]

"""Per-channel uniform quantization of weights with the clipping of least squared error, 0 (pruned) to 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qubo_dnn.compression.grid import SCALES, best_codes, limits, offsets
from qubo_dnn.compression.options import Option
from qubo_dnn.errors import ModelError, OptionError

_WEIGHTS_PER_JOB = 1 << 18


@dataclass(frozen=True, eq=False)
class Quantized:
    """A weight as codes, on the CPU; see `grid` for what they mean.

    Attributes:
        shape: of the weight, output channels first.
        base: float32 number >= 0 that all scales of the layer are relative to.
        bits: `[channels]` uint8 width of every channel, 0 (pruned) to `MAX_BITS`.
        scale_codes: `[channels]` uint8; 0 in pruned channels.
        offset_codes: `[channels]` uint8; 0 in pruned channels.
        codes: `[channels, weights per channel]` int8; 0 in pruned channels.
    """

    shape: tuple[int, ...]
    base: float
    bits: Tensor
    scale_codes: Tensor
    offset_codes: Tensor
    codes: Tensor


def quantize(weight: Tensor, options: Option | Sequence[Option], name: str = "weight") -> Quantized:
    """Quantize a weight channel by channel; a channel's codes depend on its own weights, its option and the base.

    Args:
        weight: floating point, output channels first, at least one weight per channel.
        options: of every output channel, or one for all.
        name: the layer, for messages.

    Raises:
        OptionError: there is not one option for every channel.
        ModelError: a weight is not finite, or too large for float32 arithmetic.
    """
    base = _base(weight, name)
    rows = (weight.detach().to("cpu", torch.promote_types(weight.dtype, torch.float32)) / (base or 1.0)).float()
    rows = rows.reshape(len(weight), -1)
    widths = _widths(options, len(weight), name)
    scale_codes, offset_codes = _search(rows.numpy(), widths)
    codes = torch.zeros(rows.shape, dtype=torch.int8)
    for width in _kept(widths):
        chosen = torch.from_numpy(np.flatnonzero(widths == width))
        scale = torch.from_numpy(SCALES)[scale_codes[chosen].long(), None]
        offset = torch.from_numpy(offsets(width))[offset_codes[chosen].long(), None]
        codes[chosen] = (rows[chosen] / scale).sub_(offset).round_().clamp_(*limits(width)).to(torch.int8)
    return Quantized(tuple(weight.shape), base, torch.from_numpy(widths), scale_codes, offset_codes, codes)


def dequantize(quantized: Quantized) -> Tensor:
    """The float32 weight that the codes stand for, in the weight's shape, on the CPU; the same bits everywhere."""
    values = torch.zeros(quantized.codes.shape)
    for width in _kept(quantized.bits.numpy()):
        chosen = torch.nonzero(quantized.bits == width)[:, 0]
        scale = torch.from_numpy(SCALES)[quantized.scale_codes[chosen].long(), None] * quantized.base
        offset = torch.from_numpy(offsets(width))[quantized.offset_codes[chosen].long(), None]
        values[chosen] = quantized.codes[chosen].float().add_(offset).mul_(scale)
    return values.reshape(quantized.shape)


def quantize_options(weight: Tensor, options: Sequence[Option], name: str = "weight") -> Tensor:
    """What the weight becomes under each of several options.

    Args:
        weight: as for `quantize`.
        options: K of them.
        name: the layer, for messages.

    Returns:
        `[K, *weight.shape]` float32 on the weight's device; slice `[k, c]` is bit for bit what `quantize` makes of
        channel c at `options[k]`.

    Raises:
        ModelError: a weight is not finite, or too large for float32 arithmetic.
    """
    return torch.stack([dequantize(quantize(weight, option, name)) for option in options]).to(weight.device)


def _base(weight: Tensor, name: str) -> float:
    """Twice the largest magnitude: the coarsest scale that can be wanted, that of one bit at offset 1/2."""
    if not torch.isfinite(weight).all():
        raise ModelError(f"{name}: a weight is not finite (NaN or infinite)")
    base = 2.0 * float(weight.detach().abs().max())
    if base > torch.finfo(torch.float32).max:
        raise ModelError(f"{name}: a weight is too large for float32 arithmetic")
    return float(np.float32(base))


def _widths(options: Option | Sequence[Option], channels: int, name: str) -> NDArray[np.uint8]:
    each = [options] * channels if isinstance(options, Option) else list(options)
    if len(each) != channels:
        raise OptionError(f"{name}: {len(each)} options for {channels} output channels")
    if masked := [option for option in each if option.sparsity]:
        raise OptionError(f"{name}: the option {masked[0]} has a sparsity, which the quantizer does not know")
    return np.array([option.bits for option in each], dtype=np.uint8)


def _kept(widths: NDArray[np.uint8]) -> list[int]:
    """The widths that occur, without 0."""
    return [int(width) for width in np.unique(widths) if width]


def _search(rows: NDArray[np.float32], widths: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Best scale and offset codes of every kept channel, on as many threads as torch uses."""
    codes = np.zeros((2, len(rows)), dtype=np.uint8)
    step = max(1, _WEIGHTS_PER_JOB // rows.shape[1])
    jobs = []
    for width in _kept(widths):
        channels = np.flatnonzero(widths == width)
        jobs += [(width, channels[first : first + step]) for first in range(0, len(channels), step)]

    def run(job: tuple[int, NDArray[np.intp]]) -> None:
        width, channels = job
        codes[:, channels] = best_codes(rows[channels], width)

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for _ in pool.map(run, jobs):
            pass
    return torch.from_numpy(codes[0]), torch.from_numpy(codes[1])

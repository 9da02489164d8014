"""Candidates in which the weights of a channel compensate each other's rounding errors.

The columns of a layer are rounded as `column_sweep` describes. With sparsity, a first sweep chooses the weights to drop
and adjusts the others: block by block, it drops the remaining weights of least saliency `w_j^2 / [H_rest^-1]_jj`. The
grid is fitted to the adjusted weights, and a second sweep rounds them.

Source: Frantar et al. 2022 (GPTQ); Frantar & Alistarh 2022 and 2023 (OBC, SparseGPT); Hassibi & Stork 1993 (OBS).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from qubo_dnn.compression.quantization.column_sweep import Sweep
from qubo_dnn.compression.quantization.grid import levels
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize, search

# Columns between two choices of weights to drop: on ResNet-20 both 8 and 128 give a larger error.
_PRUNING_BLOCK = 32


def compensate(plain: Sequence[Quantized], rows: Tensor, moment: Tensor) -> tuple[Quantized, ...]:
    """Make the compensated candidates of one layer.

    Args:
        plain: the layer at several options; in each, all channels have the same option.
        rows: [channels, n] float32, its weights relative to the base.
        moment: [groups, n, n] second moment of the inputs of each group of channels; see `input_moments`.

    Returns:
        For each of `plain`, a layer with the same widths and numbers of kept weights. No channel has a larger output
        error d H d': a channel that compensation does not improve stays unchanged, and so does one of 32 bits.

    Example:
        >>> from qubo_dnn.compression.task.options import Option
        >>> from qubo_dnn.compression.quantization.quantize import quantize, scaled_rows
        >>> weight, moment = torch.tensor([[0.3, -0.8, 0.5]]), torch.eye(3, dtype=torch.float64)[None] + 0.5
        >>> plain = quantize(weight, Option(2))
        >>> _, rows = scaled_rows(weight, plain.layout, "layer")
        >>> better, = compensate([plain], rows, moment)
        >>> bool(output_error(better, rows, moment) <= output_error(plain, rows, moment))
        True
    """
    moment = moment.double()
    sweep = Sweep(moment)
    found = list(plain)
    quantized = [k for k, each in enumerate(plain) if each.bits.any() and not each.plain.any()]
    masked = [k for k in quantized if not plain[k].kept.all()]
    if masked:
        for k, pruned in zip(masked, _pruned([plain[k] for k in masked], rows, sweep), strict=True):
            found[k] = pruned
    if quantized:
        for k, rounded in zip(quantized, _rounded([found[k] for k in quantized], rows, sweep), strict=True):
            found[k] = _better(plain[k], rounded, rows, moment)
    return tuple(found)


def output_error(quantized: Quantized, rows: Tensor, moment: Tensor) -> Tensor:
    """Return [channels] float64: the mean squared output error of the layer, relative to the squared base.

    Args:
        quantized: the layer.
        rows: [channels, n] the original weights relative to the base.
        moment: [groups, n, n] float64 second moment of the inputs.

    Example:
        >>> from qubo_dnn.compression.task.options import Option
        >>> from qubo_dnn.compression.quantization.quantize import quantize, scaled_rows
        >>> pruned = quantize(torch.tensor([[1.0, -1.0]]), Option(0))
        >>> _, rows = scaled_rows(torch.tensor([[1.0, -1.0]]), pruned.layout, "layer")
        >>> output_error(pruned, rows, torch.eye(2, dtype=torch.float64)[None]).tolist()  # the squared norm of the rows
        [0.5]
    """
    values = quantized.layout.rows(dequantize(replace(quantized, base=1.0)))
    change = (values.double() - rows.double()).reshape(len(moment), -1, rows.shape[1])
    return ((change @ moment) * change).sum(2).flatten()


def _pruned(plain: Sequence[Quantized], rows: Tensor, sweep: Sweep) -> list[Quantized]:
    """Choose better weights to keep, the same number in every channel, and fit the grids to the adjusted weights."""
    weights = sweep.arranged(rows.expand(len(plain), -1, -1))
    kept = torch.zeros_like(weights, dtype=torch.bool)
    left = sweep.grouped(torch.stack([each.kept.sum(1) for each in plain]))

    def choose(first: int, last: int, weights: Tensor) -> None:
        # This is the diagonal of the inverse of H without the finished columns.
        spread = sweep.factor[:, first:, first:].square().sum(1)
        saliency = weights[:, :, first:].square() / spread[:, None]
        ranks = saliency.argsort(dim=2, descending=True, stable=True).argsort(dim=2)
        chosen = (ranks < left[:, :, None])[:, :, : last - first]
        kept[:, :, first:last] = chosen
        left.sub_(chosen.sum(2))

    sweep.run_(weights, lambda j, column: column * kept[:, :, j], _PRUNING_BLOCK, choose)
    made = []
    for each, values, mask in zip(
        plain, sweep.restored(weights, len(plain)), sweep.restored(kept, len(plain)), strict=True
    ):
        scale_codes, offset_codes = map(torch.from_numpy, search(values.numpy(), each.bits.numpy(), mask.numpy()))
        made.append(replace(each, scale_codes=scale_codes, offset_codes=offset_codes, kept=mask))
    return made


def _rounded(grids: Sequence[Quantized], rows: Tensor, sweep: Sweep) -> list[Quantized]:
    """Round on the same grids with compensation, all options at once; the kept weights stay the same."""
    parts = [levels(*(t.numpy() for t in (g.bits, g.scale_codes, g.offset_codes))) for g in grids]
    scale, offset, low, high = (
        sweep.grouped(torch.stack([torch.from_numpy(each)[:, 0] for each in part])) for part in zip(*parts, strict=True)
    )
    weights = sweep.arranged(rows.expand(len(grids), -1, -1))
    kept = sweep.arranged(torch.stack([each.kept for each in grids]))
    codes = torch.empty_like(weights, dtype=torch.int8)

    def nearest(j: int, column: Tensor) -> Tensor:
        code = (column / scale - offset).round_().clamp_(low, high) * kept[:, :, j]
        codes[:, :, j] = code.to(torch.int8)
        return (code + offset) * scale * kept[:, :, j]

    sweep.run_(weights, nearest)
    return [replace(each, codes=made) for each, made in zip(grids, sweep.restored(codes, len(grids)), strict=True)]


def _better(plain: Quantized, compensated: Quantized, rows: Tensor, moment: Tensor) -> Quantized:
    """Take every channel from the version with the smaller output error, the plain one if they are equal."""
    chosen = output_error(compensated, rows, moment) < output_error(plain, rows, moment)

    def merged(name: str) -> Tensor:
        ours, theirs = getattr(compensated, name), getattr(plain, name)
        return torch.where(chosen if ours.dim() == 1 else chosen[:, None], ours, theirs)

    return replace(
        plain,
        scale_codes=merged("scale_codes"),
        offset_codes=merged("offset_codes"),
        kept=merged("kept"),
        codes=merged("codes"),
    )

"""Candidates in which the weights of a channel make up for each other's rounding errors.

Rounding goes through the columns of a layer as `sweep` describes. Under a sparsity a first sweep chooses the weights
to drop and lets the others make up for them: block by block, among all weights not settled yet, those of least saliency
`w_j^2 / [H_rest^-1]_jj`. The grid is fitted to what that sweep leaves, and a second sweep rounds.

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

# Columns between two choices of what to drop: on ResNet-20 both 8 and 128 leave a larger error.
_PRUNING_BLOCK = 32


def compensate(plain: Sequence[Quantized], rows: Tensor, moment: Tensor) -> tuple[Quantized, ...]:
    """Compensated candidates of one layer.

    Args:
        plain: the layer under several options, all channels at one option each.
        rows: [channels, n] float32, its weights relative to the base.
        moment: [groups, n, n] second moment of what the channels of each group read; see `moments`.

    Returns:
        For each of `plain` another with the same widths and numbers of kept weights, in which no channel has a
        larger output error d H d': a channel in which compensation does not help stays as it is.
    """
    moment = moment.double()
    sweep = Sweep(moment)
    found = list(plain)
    masked = [k for k, each in enumerate(plain) if each.bits.any() and not each.kept.all()]
    if masked:
        for k, pruned in zip(masked, _pruned([plain[k] for k in masked], rows, sweep), strict=True):
            found[k] = pruned
    coded = [k for k, each in enumerate(plain) if each.bits.any()]
    if coded:
        for k, rounded in zip(coded, _rounded([found[k] for k in coded], rows, sweep), strict=True):
            found[k] = _better(plain[k], rounded, rows, moment)
    return tuple(found)


def output_error(quantized: Quantized, rows: Tensor, moment: Tensor) -> Tensor:
    """[channels] float64: mean square over images of the layer's output error, relative to the squared base.

    Args:
        quantized: the layer.
        rows: [channels, n] its weights relative to the base.
        moment: [groups, n, n] float64.
    """
    values = quantized.layout.rows(dequantize(replace(quantized, base=1.0)))
    change = (values.double() - rows.double()).reshape(len(moment), -1, rows.shape[1])
    return ((change @ moment) * change).sum(2).flatten()


def _pruned(plain: Sequence[Quantized], rows: Tensor, sweep: Sweep) -> list[Quantized]:
    """The same numbers of weights kept, but the better ones, with grids for what they become."""
    weights = sweep.arranged(rows.expand(len(plain), -1, -1))
    kept = torch.zeros_like(weights, dtype=torch.bool)
    left = sweep.grouped(torch.stack([each.kept.sum(1) for each in plain]))

    def choose(first: int, last: int, weights: Tensor) -> None:
        # The inverse of H without the settled columns has this diagonal.
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
    """The same grids and kept weights with codes that make up for each other, all options at once."""
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
    """Of every channel the one with the smaller output error, the plain one where they are equal."""
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

"""Settling the weights of many channels one after the other, each error spread over the weights still to come.

Settle weight j of a channel at q instead of w_j: with U the upper Cholesky factor of the inverse of the inputs' second
moment H, the change of the later weights that keeps the output error d H d' least is `-(w_j - q) / U_jj * U_j,later`.

Source: Frantar et al. 2022 (GPTQ).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

DAMPING = 0.01
"""Share of the mean of H's diagonal that is added to it: inputs never seen together tell nothing."""

Settle = Callable[[int, Tensor], Tensor]
Begin = Callable[[int, int, Tensor], None]


class Sweep:
    """The order and the factor of one layer's sweeps.

    A tensor [K, channels, n] of K options is worked on as [groups, K * channels of a group, n], its columns in order
    of falling mean square of their input: what matters most is settled while there is most left to make up for it.

    Args:
        moment: [groups, n, n] float64 second moment of what the channels of each group read.

    Attributes:
        factor: [groups, n, n] float32, U of the damped moment in that order of columns.
    """

    def __init__(self, moment: Tensor) -> None:
        diagonal = moment.diagonal(dim1=1, dim2=2)
        mean = diagonal.mean(1)
        damping = torch.where(mean > 0.0, DAMPING * mean, 1.0)
        self._order = diagonal.argsort(dim=1, descending=True, stable=True)
        ordered = moment.gather(1, self._order[:, :, None].expand_as(moment))
        ordered = ordered.gather(2, self._order[:, None].expand_as(moment))
        ordered.diagonal(dim1=1, dim2=2).add_(damping[:, None])
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(ordered))
        self.factor: Tensor = torch.linalg.cholesky(inverse, upper=True).float()

    def arranged(self, tensor: Tensor) -> Tensor:
        """[K, channels, n] in the form worked on, as a copy."""
        grouped = self.grouped(tensor)
        return grouped.gather(2, self._order[:, None].expand_as(grouped))

    def restored(self, tensor: Tensor, options: int) -> Tensor:
        """The inverse of `arranged` for K = `options`."""
        groups, _, n = tensor.shape
        back = torch.empty_like(tensor).scatter_(2, self._order[:, None].expand_as(tensor), tensor)
        return back.reshape(groups, options, -1, n).transpose(0, 1).reshape(options, -1, n)

    def grouped(self, tensor: Tensor) -> Tensor:
        """[K, channels, ...] as [groups, K * channels of a group, ...]."""
        options, channels, *rest = tensor.shape
        groups = len(self._order)
        split = tensor.reshape(options, groups, channels // groups, *rest)
        return split.transpose(0, 1).reshape(groups, -1, *rest)

    def run_(self, weights: Tensor, settle: Settle, block: int = 128, begin: Begin | None = None) -> None:
        """Settle the columns of `weights` in turn, in place.

        Args:
            weights: [groups, rows, n], as from `arranged`.
            settle: given a column's index and its [groups, rows] values by then, their final values.
            block: columns between two updates of all later ones.
            begin: called at the start of each block with its first column, the one after its last, and all weights.
        """
        n = weights.shape[2]
        for first in range(0, n, block):
            last = min(n, first + block)
            if begin:
                begin(first, last, weights)
            errors = torch.empty_like(weights[:, :, first:last])
            for j in range(first, last):
                column = weights[:, :, j]
                settled = settle(j, column)
                error = (column - settled) / self.factor[:, j, j, None]
                weights[:, :, j] = settled
                weights[:, :, j + 1 : last] -= error[:, :, None] * self.factor[:, None, j, j + 1 : last]
                errors[:, :, j - first] = error
            weights[:, :, last:] -= errors @ self.factor[:, first:last, last:]

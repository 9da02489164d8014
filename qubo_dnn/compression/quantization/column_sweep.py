"""Round the weights of many channels column by column; the later columns compensate the error of each.

Let weight j of a channel be rounded to q instead of w_j, and let U be the upper Cholesky factor of the inverse of the
second moment H of the inputs. The change of the later weights that minimises the output error d H d' is
`-(w_j - q) / U_jj * U_j,later`.

Source: Frantar et al. 2022 (GPTQ).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

DAMPING = 0.01
"""Damping: this share of the mean of H's diagonal is added to the diagonal, because H is estimated from few inputs."""

Settle = Callable[[int, Tensor], Tensor]
Begin = Callable[[int, int, Tensor], None]


class Sweep:
    """The column order and the Cholesky factor of one layer.

    A tensor [K, channels, n] of K options is processed as [groups, K * channels of a group, n]. Its columns are sorted
    by falling mean square of their input: the most important weights come first, while most others can compensate.

    Args:
        moment: [groups, n, n] float64 second moment of the inputs of each group of channels.

    Attributes:
        factor: [groups, n, n] float32, U of the damped moment in that order of columns.

    Example:
        >>> sweep = Sweep(torch.eye(2, dtype=torch.float64)[None])  # independent inputs: nothing to compensate
        >>> weights = sweep.arranged(torch.tensor([[[0.4, 1.6]]]))  # one option, one channel
        >>> sweep.run_(weights, lambda column, values: values.round())
        >>> sweep.restored(weights, options=1).tolist()
        [[[0.0, 2.0]]]
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
        """Copy [K, channels, n] into the form that `run_` processes."""
        grouped = self.grouped(tensor)
        return grouped.gather(2, self._order[:, None].expand_as(grouped))

    def restored(self, tensor: Tensor, options: int) -> Tensor:
        """Undo `arranged` for K = `options`."""
        groups, _, n = tensor.shape
        back = torch.empty_like(tensor).scatter_(2, self._order[:, None].expand_as(tensor), tensor)
        return back.reshape(groups, options, -1, n).transpose(0, 1).reshape(options, -1, n)

    def grouped(self, tensor: Tensor) -> Tensor:
        """Reshape [K, channels, ...] to [groups, K * channels of a group, ...]."""
        options, channels, *rest = tensor.shape
        groups = len(self._order)
        split = tensor.reshape(options, groups, channels // groups, *rest)
        return split.transpose(0, 1).reshape(groups, -1, *rest)

    def run_(self, weights: Tensor, settle: Settle, block: int = 128, begin: Begin | None = None) -> None:
        """Round the columns of `weights` one after the other, in place.

        Args:
            weights: [groups, rows, n], as returned by `arranged`.
            settle: maps the index of a column and its current [groups, rows] values to their final values.
            block: number of columns between two updates of all later columns.
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

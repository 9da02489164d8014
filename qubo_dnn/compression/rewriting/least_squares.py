"""Fit the weights of one layer by ridge regression: to given outputs, for given inputs.

With w0 the weights at hand, the fitted ones minimise the mean of `|y - w x|^2`, plus `ridge |w - w0|^2`. The ridge
shrinks towards w0, not towards zero, so that it leaves alone what the samples say nothing about, such as the weights of
inputs that are constant. Of several strengths of the ridge, that with the least error on further samples is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Strengths to choose from, relative to the mean square of the inputs."""

_SAMPLES = 4096  # converted to float64 at a time
_MASKED_NUMBERS = 1 << 24
_MASKED_OPERATIONS = 1e12


@dataclass(frozen=True, eq=False)
class FitMoments:
    """Means over samples of products of inputs x and missing outputs y - w0 x; G groups of channels with n inputs each.

    Attributes:
        inputs: [G, n, n] float64, of pairs of inputs.
        cross: [G, n, channels / G] float64, of inputs and missing outputs.
        missing: the squares of the missing outputs, summed over channels.

    Example:
        >>> moments = FitMoments.of(torch.eye(2)[None], torch.tensor([[[1.0, 0.0]]]))
        >>> moments.cross.flatten().tolist(), moments.missing
        ([0.5, 0.0], 0.5)
    """

    inputs: Tensor
    cross: Tensor
    missing: float

    @classmethod
    def of(cls, inputs: Tensor, missing: Tensor) -> FitMoments:
        """Measure the moments of [G, n, samples] inputs and [G, channels / G, samples] missing outputs.

        Args:
            inputs: of the weights at hand, float32.
            missing: the wanted outputs minus those of the weights at hand, float32.
        """
        groups, n, samples = inputs.shape
        square = torch.zeros(groups, n, n, dtype=torch.float64)
        cross = torch.zeros(groups, n, missing.shape[1], dtype=torch.float64)
        for first in range(0, samples, _SAMPLES):
            x, y = (each[:, :, first : first + _SAMPLES].double() for each in (inputs, missing))
            square.baddbmm_(x, x.mT)
            cross.baddbmm_(x, y.mT)
        return cls(square / samples, cross / samples, float(missing.double().square().sum()) / samples)

    def error(self, change: Tensor) -> float:
        """Return the mean squared error after a change [G, n, channels / G] of the weights."""
        return self.missing + float((change * (self.inputs @ change - 2.0 * self.cross)).sum())

    def mixed(self, other: FitMoments, share: float) -> FitMoments:
        """Return the moments of the samples of both, those of `other` being this share of them."""
        return FitMoments(
            torch.lerp(self.inputs, other.inputs, share),
            torch.lerp(self.cross, other.cross, share),
            (1.0 - share) * self.missing + share * other.missing,
        )

    def change(self, ridge: float) -> Tensor:
        """Return the change [G, n, channels / G] of the weights by ridge regression."""
        return torch.cholesky_solve(self.cross, torch.linalg.cholesky(self._damped(ridge)))

    def masked_change(self, ridge: float, weights: Tensor, kept: Tensor) -> Tensor:
        """Return the change by ridge regression that makes the weights zero that are not kept.

        Args:
            ridge: strength of the ridge.
            weights: [channels, n] the weights at hand.
            kept: [channels, n] bool.

        Example:
            >>> moments = FitMoments.of(torch.ones(1, 2, 4), torch.zeros(1, 1, 4))
            >>> weights, kept = torch.tensor([[1.0, 2.0]]), torch.tensor([[True, False]])
            >>> change = moments.masked_change(1e-9, weights, kept)  # the first one takes the place of both
            >>> change.flatten().round().tolist()
            [2.0, -2.0]
        """
        groups, n, channels = self.cross.shape
        damped, change = self._damped(ridge), torch.empty_like(self.cross)
        dropped = torch.where(kept, 0.0, weights.double()).reshape(groups, channels, n).mT
        wanted = self.cross + self.inputs @ dropped
        mask = kept.reshape(groups, channels, n).mT.double()
        for first in range(0, channels, step := max(1, _MASKED_NUMBERS // (groups * n * n))):
            part = mask[:, :, first : first + step].mT
            matrices = damped[:, None] * part[:, :, :, None] * part[:, :, None, :] + torch.diag_embed(1.0 - part)
            right = (wanted[:, :, first : first + step].mT * part)[..., None]
            solved = torch.cholesky_solve(right, torch.linalg.cholesky(matrices))[..., 0]
            change[:, :, first : first + step] = solved.mT
        return change - dropped

    def _damped(self, ridge: float) -> Tensor:
        mean = self.inputs.diagonal(dim1=1, dim2=2).mean(1)
        damping = torch.where(mean > 0.0, ridge * mean, 1.0)
        return self.inputs + torch.diag_embed(damping[:, None].expand(-1, self.inputs.shape[1]))


def refitted(
    inputs: Tensor, missing: Tensor, weights: Tensor, checks: Tensor, *, centred: bool, kept: Tensor | None = None
) -> tuple[Tensor, Tensor] | None:
    """Fit the weights of a layer; None if that does not lower the error on the samples that check it.

    Args:
        inputs: [G, n, samples].
        missing: [G, channels / G, samples] the wanted outputs minus those of `weights`.
        weights: [channels, n] the weights at hand.
        checks: [samples] bool: True for the samples that choose the ridge; the last fit uses all samples.
        centred: True: a bias takes up the means of inputs and outputs.
        kept: [channels, n] bool: False for weights that have to be zero; None: all are kept.

    Returns:
        [channels, n] float32 weights, and [G, n, n] float64 second moments of the inputs.

    Example:
        >>> inputs = torch.randn(1, 2, 100, generator=torch.Generator().manual_seed(0))
        >>> wanted, weights = torch.tensor([[[3.0, -1.0]]]) @ inputs, torch.zeros(1, 2)
        >>> fitted = refitted(inputs, wanted, weights, torch.arange(100) % 4 == 0, centred=False)
        >>> fitted[0].round().tolist()
        [[3.0, -1.0]]
    """
    if checks.all() or not checks.any():
        # One image cannot both be fitted to and check the fit.
        return None
    if centred:
        inputs, missing = inputs - inputs.mean(2, keepdim=True), missing - missing.mean(2, keepdim=True)
    fit, check = (FitMoments.of(inputs[:, :, part], missing[:, :, part]) for part in (~checks, checks))
    errors = {ridge: check.error(fit.change(ridge)) for ridge in RIDGES}
    ridge = min(errors, key=errors.__getitem__)
    masked = kept is not None and not bool(kept.all())
    if not masked and not errors[ridge] < check.missing:
        return None
    every = fit.mixed(check, float(checks.double().mean()))
    if masked:
        assert kept is not None
        if len(weights) * weights.shape[1] ** 3 > _MASKED_OPERATIONS:
            return None
        change = every.masked_change(ridge, weights, kept)
    else:
        change = every.change(ridge)
    return weights + change.mT.reshape(weights.shape).float(), every.inputs

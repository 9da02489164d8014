"""Losses of numbers: squared error, Huber's, absolute error, and embeddings compared by their angle.

The divergence of a loss is that of the outputs from the reference network's outputs, in the place of targets. Its
curvature is the Hessian of that divergence at the reference, so that labels do not enter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from qubo_dnn.compression.losses.loss import (
    EXACT_OUTPUTS,
    SAMPLED_PROBES,
    check_alike,
    check_same_shape,
    diagonal_root,
    signs,
)
from qubo_dnn.errors import ModelError, OptionError


class _Elementwise:
    """A function of every output's distance to its target, summed over the outputs of an image."""

    name: ClassVar[str]
    classification: ClassVar[bool] = False

    def check(self, outputs: Tensor, targets: Tensor | None, source: str, /) -> None:
        """See `Loss.check`; axes of length 1 do not count, so that targets [N] fit outputs [N, 1]."""
        check_same_shape(self.name, outputs, targets, source)

    def __call__(self, outputs: Tensor, targets: Tensor, /) -> Tensor:
        """See `Loss.__call__`."""
        distance = (outputs.double() - targets.reshape(outputs.shape)).reshape(len(outputs), -1)
        return self._of(distance).sum() / len(outputs)

    def curvature(
        self, outputs: Tensor, _targets: Tensor | None, probes: int | None, generator: torch.Generator, /
    ) -> Tensor:
        """Use unit vectors or random signs; the Hessian is a multiple of the identity. See `Loss.curvature`."""
        hessian = torch.full((len(outputs), outputs[0].numel()), self._curvature(), dtype=torch.float64)
        return diagonal_root(hessian, probes, generator, outputs.shape, outputs.dtype)

    def divergence(self, reference: Tensor, outputs: Tensor, _targets: Tensor | None, /) -> float:
        """Return the mean distance of the outputs. See `Loss.divergence`."""
        check_alike(reference, outputs)
        distance = (outputs.double() - reference).reshape(len(outputs), -1)
        return float(self._smooth(distance).sum() / len(outputs))

    def _of(self, distance: Tensor) -> Tensor:
        """Return the loss of every distance."""
        raise NotImplementedError

    def _smooth(self, distance: Tensor) -> Tensor:
        """Return the divergence of every distance, twice differentiable at 0."""
        return self._of(distance)

    def _curvature(self) -> float:
        """Return the second derivative of the divergence at distance 0."""
        return 1.0


@dataclass(frozen=True)
class SquaredError(_Elementwise):
    """Half the squared distance of outputs [N, ...] to targets of the same shape, summed over outputs.

    Example:
        >>> float(SquaredError()(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0.0]])))
        2.5
    """

    name: ClassVar[str] = "squared-error"

    def _of(self, distance: Tensor) -> Tensor:
        return distance.square() / 2


@dataclass(frozen=True)
class Huber(_Elementwise):
    """Huber's loss, half the square of small distances and linear in larger ones, summed over outputs.

    Attributes:
        delta: the distance > 0 from which it is linear, in the unit of the outputs.

    Source: Huber 1964, "Robust estimation of a location parameter".

    Example:
        >>> float(Huber()(torch.tensor([[0.5, 3.0]]), torch.tensor([[0.0, 0.0]])))
        2.625
    """

    name: ClassVar[str] = "huber"
    delta: float = 1.0

    def __post_init__(self) -> None:
        _check_positive("delta", self.delta)

    def _of(self, distance: Tensor) -> Tensor:
        far = distance.abs()
        # The square of |d| would have no second derivative at 0.
        return torch.where(far <= self.delta, distance.square() / 2, self.delta * (far - self.delta / 2))


@dataclass(frozen=True)
class AbsoluteError(_Elementwise):
    """Distance of outputs [N, ...] to targets of the same shape, summed over outputs.

    An absolute distance has no curvature at 0. Its divergence is therefore `d + s (exp(-d / s) - 1)` for a distance d:
    `s` times the KL divergence of two Laplace distributions of scale s whose means differ by d. It is d^2 / 2s for
    small distances and d - s for large ones.

    Attributes:
        scale: s > 0, in the unit of the outputs.

    Example:
        >>> float(AbsoluteError()(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, 0.0]])))
        3.0
    """

    name: ClassVar[str] = "absolute-error"
    scale: float = 1.0

    def __post_init__(self) -> None:
        _check_positive("scale", self.scale)

    def _of(self, distance: Tensor) -> Tensor:
        return distance.abs()

    def _smooth(self, distance: Tensor) -> Tensor:
        far = distance.abs()
        return far + self.scale * torch.expm1(-far / self.scale)

    def _curvature(self) -> float:
        return 1 / self.scale


@dataclass(frozen=True)
class Cosine:
    """1 - cos of the angle between an embedding and its target; the mean over positions and images.

    Attributes:
        axis: axis of an embedding's numbers; -1 is the last one, as in [N, D] or in [N, T, D] of tokens.

    Example:
        >>> float(Cosine()(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 3.0]])))
        1.0
    """

    name: ClassVar[str] = "cosine"
    classification: ClassVar[bool] = False
    axis: int = -1

    def check(self, outputs: Tensor, targets: Tensor | None, source: str, /) -> None:
        """See `Loss.check`."""
        if outputs.dim() < 2 or not bool(outputs.movedim(self.axis, -1).norm(dim=-1).all()):
            raise ModelError(
                f"the network gives outputs of shape {tuple(outputs.shape)} without an angle: {self.name} needs "
                "embeddings (images, ..., numbers) that are not zero"
            )
        check_same_shape(self.name, outputs, targets, source)

    def __call__(self, outputs: Tensor, targets: Tensor, /) -> Tensor:
        """See `Loss.__call__`."""
        ours, theirs = self._units(outputs), self._units(targets.reshape(outputs.shape))
        # Half the squared distance of unit vectors is 1 - cos, without its rounding error near 1.
        return (ours - theirs).square().sum(2).mean() / 2

    def curvature(
        self, outputs: Tensor, _targets: Tensor | None, probes: int | None, generator: torch.Generator, /
    ) -> Tensor:
        """Use (I - u u') / |z|^2 of every position, u the direction of the embedding z. See `Loss.curvature`."""
        z = self._positions(outputs)
        images, positions, size = z.shape
        length = z.norm(dim=2, keepdim=True)
        if probes is None and outputs[0].numel() <= EXACT_OUTPUTS:
            rows = torch.eye(positions * size, dtype=z.dtype)[:, None].expand(-1, images, -1)
        else:
            rows = signs(probes or SAMPLED_PROBES, images, positions * size, generator)
        rows = rows.reshape(-1, images, positions, size)
        u = z / length
        rows = (rows - (rows * u).sum(3, keepdim=True) * u) / length
        rows = rows / math.sqrt(positions)
        last: Tensor = rows.reshape(len(rows), *outputs.movedim(self.axis, -1).shape)
        return last.movedim(-1, self.axis if self.axis < 0 else self.axis + 1).to(outputs.dtype)

    def divergence(self, reference: Tensor, outputs: Tensor, _targets: Tensor | None, /) -> float:
        """See `Loss.divergence`."""
        check_alike(reference, outputs)
        return float(self(outputs, reference))

    def _positions(self, outputs: Tensor) -> Tensor:
        """Return [N, positions, numbers] float64."""
        last = outputs.double().movedim(self.axis, -1)
        return last.reshape(len(outputs), -1, outputs.shape[self.axis])

    def _units(self, outputs: Tensor) -> Tensor:
        z = self._positions(outputs)
        return z.div(z.norm(dim=2, keepdim=True).clamp(min=1e-30))


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise OptionError(f"the {name} of a loss must be a number > 0, not {value}")

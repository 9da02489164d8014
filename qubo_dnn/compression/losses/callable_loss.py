"""A loss of the user's: any twice differentiable function of outputs and targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from qubo_dnn.compression.losses.loss import EXACT_OUTPUTS, SAMPLED_PROBES, check_alike, signs
from qubo_dnn.compression.losses.matrix_root import root_times
from qubo_dnn.compression.user_code import foreign_code
from qubo_dnn.errors import OptionError

MAX_HESSIAN_OUTPUTS = 256
"""Up to this number of outputs, the whole Hessian of every image is computed and decomposed."""


@dataclass(frozen=True)
class CallableLoss:
    """A loss of the user: any twice differentiable function of outputs [N, ...] and targets [N, ...].

    Where there are no targets, the outputs of the given network take their place, so that the function has to compare
    its two arguments.

    Attributes:
        name: name of the loss, for messages.
        function: returns the mean over images as a scalar tensor.

    Example:
        >>> from torch import nn
        >>> huber = CallableLoss("huber", nn.HuberLoss())
        >>> float(huber(torch.tensor([3.0]), torch.tensor([0.0])))
        2.5
    """

    name: str
    function: Callable[..., object]
    classification: ClassVar[bool] = False

    def check(self, outputs: Tensor, targets: Tensor | None, _source: str, /) -> None:
        """Accept everything; the function decides about its arguments. See `Loss.check`."""

    def __call__(self, outputs: Tensor, targets: Tensor, /) -> Tensor:
        """See `Loss.__call__`.

        Raises:
            OptionError: the function fails, or does not return a finite scalar tensor.
        """
        with foreign_code(OptionError, f"the loss {self.name} fails"):
            value = self.function(outputs, targets)
        if not isinstance(value, Tensor) or value.numel() != 1 or not value.is_floating_point():
            what = f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise OptionError(f"the loss {self.name} gives {what}, not a scalar tensor")
        if not value.isfinite():
            raise OptionError(f"the loss {self.name} is not finite")
        return value.reshape(())

    def curvature(
        self, outputs: Tensor, targets: Tensor | None, probes: int | None, generator: torch.Generator, /
    ) -> Tensor:
        """Use the square root of the Hessian of every image. See `Loss.curvature`.

        Negative eigenvalues are set to zero: the quadratic model must be bounded below (generalized Gauss-Newton
        assumes a loss that is convex in the outputs), and this gives the nearest model that is.

        With many outputs the Hessian is never formed: random signs are multiplied by its square root, which takes only
        products with the Hessian.

        Raises:
            OptionError: the function fails or cannot be differentiated twice.
        """
        slope = _Slope(self, outputs, outputs.detach() if targets is None else targets)
        images, size = len(outputs), outputs[0].numel()
        exactly = probes is None and size <= EXACT_OUTPUTS
        drawn = None if exactly else signs(probes or SAMPLED_PROBES, images, size, generator)
        if drawn is not None and size > MAX_HESSIAN_OUTPUTS:
            rows = torch.stack([root_times(slope.times, probe) for probe in drawn])
        else:
            values, vectors = torch.linalg.eigh(slope.hessians())
            roots: Tensor = vectors * values.clamp(min=0).sqrt()[:, None]
            # The symmetric root for drawn vectors, as beyond the limit.
            rows = roots.permute(2, 0, 1) if drawn is None else torch.einsum("nij,pnj->pni", roots @ vectors.mT, drawn)
        return rows.reshape(-1, *outputs.shape).to(outputs.dtype)

    def divergence(self, reference: Tensor, outputs: Tensor, targets: Tensor | None, /) -> float:
        """Return the loss of the outputs minus that of the reference; may be negative. See `Loss.divergence`."""
        check_alike(reference, outputs)
        expected = reference if targets is None else targets
        return float(self(outputs, expected)) - float(self(reference, expected))


class _Slope:
    """The gradient of every image's loss in its outputs, as a graph that can be differentiated again."""

    def __init__(self, loss: CallableLoss, outputs: Tensor, targets: Tensor) -> None:
        self._what = f"the loss {loss.name} cannot be differentiated twice"
        self._name, self._shape = loss.name, outputs.shape
        with torch.enable_grad(), foreign_code(OptionError, self._what):
            # Evaluate image by image, because the function may combine the images of a batch; use one graph, so that
            # each backward pass serves all images.
            self._z = outputs.detach().clone().requires_grad_()
            total = torch.stack([loss(self._z[n : n + 1], targets[n : n + 1]) for n in range(len(outputs))]).sum()
            (self._gradient,) = torch.autograd.grad(total, self._z, create_graph=True)

    def times(self, vectors: Tensor) -> Tensor:
        """Return [N, D] float64: the Hessian of every image times its vector [N, D]."""
        if not self._gradient.requires_grad:
            return torch.zeros(vectors.shape, dtype=torch.float64)
        with torch.enable_grad(), foreign_code(OptionError, self._what):
            # Of a scalar: where the caller gives the gradient of a tensor, torch first loads sympy for two seconds.
            product = (self._gradient * vectors.reshape(self._shape).to(self._gradient.dtype)).sum()
            (found,) = torch.autograd.grad(product, self._z, retain_graph=True, materialize_grads=True)
        if not found.isfinite().all():
            raise OptionError(f"the loss {self._name} has a second derivative that is not finite")
        return found.double().reshape(len(found), -1)

    def hessians(self) -> Tensor:
        """Return [N, D, D] float64 Hessians with D = number of outputs of one image."""
        size = self._z[0].numel()
        units = torch.eye(size, dtype=self._z.dtype)[:, None].expand(-1, len(self._z), -1)
        hessians = torch.stack([self.times(unit) for unit in units], 1)
        symmetric: Tensor = (hessians + hessians.mT) / 2
        return symmetric

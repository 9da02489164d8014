"""What a network is measured by: the loss, its curvature in the outputs, and the distance between two networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from qubo_dnn.compression.network.user_code import foreign_code, resolve
from qubo_dnn.errors import DataError, ModelError, OptionError, suggestion

EXACT_OUTPUTS = 32
SAMPLED_PROBES = 8
# A user's loss costs a Hessian of outputs x outputs for every image.
MAX_HESSIAN_OUTPUTS = 256


class Loss(Protocol):
    """The mean over images of a function of one image's outputs and target.

    Attributes:
        name: what messages call it.
        classification: whether outputs are logits [N, C] and targets labels, so that there is an accuracy.
    """

    @property
    def name(self) -> str: ...

    @property
    def classification(self) -> bool: ...

    def check(self, outputs: Tensor, targets: Tensor, source: str, /) -> None:
        """Refuse outputs [N, ...] and targets [M, ...] that do not belong together; N and M may differ.

        Raises:
            ModelError: outputs are not what this loss takes.
            DataError: targets are not; the text begins with `source`.
        """
        ...

    def __call__(self, outputs: Tensor, targets: Tensor, /) -> Tensor:
        """Mean loss, a scalar in the loss's own unit."""
        ...

    def curvature(self, outputs: Tensor, targets: Tensor, probes: int | None, generator: torch.Generator, /) -> Tensor:
        """Square root of the Hessian of every image's loss in its outputs.

        Args:
            outputs: [N, ...].
            targets: of these images.
            probes: vectors to draw, >= 1; None takes as many as give the Hessian exactly for up to `EXACT_OUTPUTS`
                outputs, and `SAMPLED_PROBES` drawn ones beyond.
            generator: of what is drawn.

        Returns:
            [P, N, ...] vectors whose outer products add up to the Hessian, exactly or in expectation; P depends on
            the shape of one image's outputs and on `probes` only.
        """
        ...

    def divergence(self, reference: Tensor, outputs: Tensor, targets: Tensor, /) -> float:
        """How far outputs [N, ...] went from a reference network's, mean over images, in the loss's unit."""
        ...


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy of logits [N, C] with labels [N], in nats; its divergence is KL(reference || outputs) >= 0."""

    name: ClassVar[str] = "cross-entropy"
    classification: ClassVar[bool] = True

    def check(self, outputs: Tensor, targets: Tensor, source: str, /) -> None:
        """See `Loss.check`."""
        if outputs.dim() != 2:
            raise ModelError(
                f"the network gives {outputs.dtype} of shape {tuple(outputs.shape)} for {len(outputs)} images, "
                "not logits of shape (images, classes)"
            )
        if targets.is_floating_point() or targets.dim() != 1:
            raise DataError(
                f"{source}: labels are {targets.dtype} of shape {tuple(targets.shape)}, not integers of shape (N,); "
                "other targets need another loss, such as squared-error"
            )
        if (largest := int(targets.max())) >= outputs.shape[1]:
            raise DataError(
                f"{source}: labels out of range: label {largest}, the network has {outputs.shape[1]} outputs"
            )

    def __call__(self, outputs: Tensor, targets: Tensor, /) -> Tensor:
        """See `Loss.__call__`."""
        return F.cross_entropy(outputs.double(), targets)

    def curvature(self, outputs: Tensor, _targets: Tensor, probes: int | None, generator: torch.Generator, /) -> Tensor:
        """diag(p) - p p' with p the softmax; it does not depend on labels. See `Loss.curvature`."""
        # Double, since p(1 - p) of a confident network is lost in float32.
        p = outputs.double().softmax(1)
        one_hot = torch.eye(p.shape[1], dtype=p.dtype)
        if probes is None and p.shape[1] <= EXACT_OUTPUTS:
            # diag(p) - p p' = S (I - s s') S with s = sqrt(p), S = diag(s); the Householder reflection of s to -e_C
            # has -s as its last column, and the others are an orthonormal basis of I - s s'.
            s = p.sqrt()
            reflected = one_hot[:-1, None] - (s / (1 + s[:, -1:])).T[:-1, :, None] * (s + one_hot[-1])
            return (s * reflected).to(outputs.dtype)
        count = probes or SAMPLED_PROBES
        labels = torch.multinomial(p, count, replacement=True, generator=generator)
        return ((one_hot[labels.T] - p) / math.sqrt(count)).to(outputs.dtype)

    def divergence(self, reference: Tensor, outputs: Tensor, _targets: Tensor, /) -> float:
        """See `Loss.divergence`."""
        return kl_divergence(reference, outputs)


@dataclass(frozen=True)
class SquaredError:
    """Half the squared distance of outputs [N, ...] to targets of the same shape, summed over outputs."""

    name: ClassVar[str] = "squared-error"
    classification: ClassVar[bool] = False

    def check(self, outputs: Tensor, targets: Tensor, source: str, /) -> None:
        """See `Loss.check`; axes of length 1 do not count, so that targets [N] fit outputs [N, 1]."""
        given, needed = ([n for n in tensor.shape[1:] if n != 1] for tensor in (targets, outputs))
        if given != needed:
            raise DataError(
                f"{source}: targets of shape {tuple(targets.shape)} do not fit outputs of shape "
                f"(images, {', '.join(map(str, outputs.shape[1:]))}), as {self.name} needs"
            )

    def __call__(self, outputs: Tensor, targets: Tensor, /) -> Tensor:
        """See `Loss.__call__`."""
        distance: Tensor = outputs.double() - targets.reshape(outputs.shape)
        return distance.square().sum() / (2 * len(outputs))

    def curvature(self, outputs: Tensor, _targets: Tensor, probes: int | None, generator: torch.Generator, /) -> Tensor:
        """The identity, by unit vectors or by random signs. See `Loss.curvature`."""
        size = outputs[0].numel()
        if probes is None and size <= EXACT_OUTPUTS:
            rows = torch.eye(size, dtype=outputs.dtype)[:, None].expand(-1, len(outputs), -1)
        else:
            rows = _signs(probes or SAMPLED_PROBES, len(outputs), size, generator).to(outputs.dtype)
        return rows.reshape(-1, *outputs.shape)

    def divergence(self, reference: Tensor, outputs: Tensor, _targets: Tensor, /) -> float:
        """Mean half squared distance of the outputs. See `Loss.divergence`."""
        _check_alike(reference, outputs)
        return float(self(outputs, reference))


@dataclass(frozen=True)
class CallableLoss:
    """A user's loss: any twice differentiable function of outputs [N, ...] and targets [N, ...].

    Attributes:
        name: what messages call it.
        function: gives the mean over images as a scalar tensor.
    """

    name: str
    function: Callable[[Tensor, Tensor], object]
    classification: ClassVar[bool] = False

    def check(self, outputs: Tensor, targets: Tensor, _source: str, /) -> None:
        """See `Loss.check`; what fits is the function's own affair."""

    def __call__(self, outputs: Tensor, targets: Tensor, /) -> Tensor:
        """See `Loss.__call__`.

        Raises:
            OptionError: the function fails, or gives something else than a finite scalar tensor.
        """
        with foreign_code(OptionError, f"the loss {self.name} fails"):
            value = self.function(outputs, targets)
        if not isinstance(value, Tensor) or value.numel() != 1 or not value.is_floating_point():
            what = f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise OptionError(f"the loss {self.name} gives {what}, not a scalar tensor")
        if not value.isfinite():
            raise OptionError(f"the loss {self.name} is not finite")
        return value.reshape(())

    def curvature(self, outputs: Tensor, targets: Tensor, probes: int | None, generator: torch.Generator, /) -> Tensor:
        """By every image's Hessian and its eigenvalues. See `Loss.curvature`.

        Negative eigenvalues are taken as zero: a quadratic model has to be bounded below (generalized Gauss-Newton
        assumes a loss that is convex in the outputs), and this is the nearest one that is.

        Raises:
            OptionError: the function fails, cannot be differentiated twice, or an image has more than
                `MAX_HESSIAN_OUTPUTS` outputs.
        """
        values, vectors = torch.linalg.eigh(self._hessians(outputs, targets).double())
        roots: Tensor = vectors * values.clamp(min=0).sqrt()[:, None]
        size = roots.shape[1]
        if probes is None and size <= EXACT_OUTPUTS:
            rows = roots.permute(2, 0, 1)
        else:
            signs = _signs(probes or SAMPLED_PROBES, len(outputs), size, generator)
            rows = torch.einsum("nij,pnj->pni", roots, signs)
        return rows.reshape(-1, *outputs.shape).to(outputs.dtype)

    def divergence(self, reference: Tensor, outputs: Tensor, targets: Tensor, /) -> float:
        """Loss of the outputs minus that of the reference; may be negative. See `Loss.divergence`."""
        _check_alike(reference, outputs)
        return float(self(outputs, targets)) - float(self(reference, targets))

    def _hessians(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """[N, D, D] with D = outputs of one image."""
        size = outputs[0].numel()
        if size > MAX_HESSIAN_OUTPUTS:
            raise OptionError(
                f"the loss {self.name} is measured by Hessians in the outputs, for up to {MAX_HESSIAN_OUTPUTS} of "
                f"them; the network has {size}"
            )
        with torch.enable_grad(), foreign_code(OptionError, f"the loss {self.name} cannot be differentiated twice"):
            # Image by image, since the function may treat a batch as it likes; one graph, so that each of the
            # backward passes serves all images.
            z = outputs.detach().clone().requires_grad_()
            total = torch.stack([self(z[n : n + 1], targets[n : n + 1]) for n in range(len(z))]).sum()
            (gradient,) = torch.autograd.grad(total, z, create_graph=True)
            if not gradient.requires_grad:
                return torch.zeros(len(z), size, size)
            rows = [
                torch.autograd.grad(each.sum(), z, retain_graph=True, materialize_grads=True)[0].flatten(1)
                for each in gradient.reshape(len(z), -1).unbind(1)
            ]
        hessians = torch.stack(rows, 1)
        if not hessians.isfinite().all():
            raise OptionError(f"the loss {self.name} has a second derivative that is not finite")
        symmetric: Tensor = (hessians + hessians.mT) / 2
        return symmetric


CROSS_ENTROPY = CrossEntropy()
_BUILT_IN: dict[str, Loss] = {loss.name: loss for loss in (CROSS_ENTROPY, SquaredError())}


def load_loss(text: str) -> Loss:
    """A loss by name, or the caller's own.

    Args:
        text: "cross-entropy", "squared-error", or `package.module:factory` naming an `nn.Module`, or a callable
            that gives a callable (outputs, targets) -> mean loss without arguments, such as `torch.nn:HuberLoss`.

    Raises:
        OptionError: it is not found, or its factory fails or gives nothing callable.
    """
    if text in _BUILT_IN:
        return _BUILT_IN[text]
    if ":" not in text:
        raise OptionError(f"unknown loss {text!r}{suggestion(text, _BUILT_IN)}; or package.module:factory")
    given = resolve(text, OptionError)
    if callable(given) and not isinstance(given, nn.Module):
        with foreign_code(OptionError, f"{text}: the factory fails"):
            given = given()
    if not callable(given):
        raise OptionError(f"{text}: gives {type(given).__name__}, not a callable (outputs, targets) -> loss")
    return CallableLoss(text, given)


def kl_divergence(reference_logits: Tensor, other_logits: Tensor) -> float:
    """Mean over the images of KL(reference || other), in nats, >= 0.

    Args:
        reference_logits: (N, classes).
        other_logits: (N, classes).

    Raises:
        ModelError: the shapes differ.
    """
    _check_alike(reference_logits, other_logits)
    reference = F.log_softmax(reference_logits.detach().double(), dim=1)
    other = F.log_softmax(other_logits.detach().double(), dim=1)
    divergence = F.kl_div(other, reference, reduction="batchmean", log_target=True)
    return max(0.0, float(divergence))  # rounding may leave equal logits at -1e-17


def _check_alike(reference: Tensor, other: Tensor) -> None:
    if reference.shape != other.shape:
        shapes = f"{tuple(reference.shape)} and {tuple(other.shape)}"
        raise ModelError(f"outputs of shapes {shapes} cannot be compared")


def _signs(count: int, images: int, size: int, generator: torch.Generator) -> Tensor:
    """[count, images, size] of random signs over sqrt(count), so that outer products add up to I in expectation."""
    bits = torch.randint(2, (count, images, size), generator=generator, dtype=torch.float64)
    return (2 * bits - 1) / math.sqrt(count)

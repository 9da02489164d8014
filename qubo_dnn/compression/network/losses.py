"""Losses: their values, their curvature in the outputs, and the divergence between two networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from qubo_dnn.compression.network.user_code import foreign_code, resolve
from qubo_dnn.errors import DataError, ModelError, OptionError, suggestion

EXACT_OUTPUTS = 32
SAMPLED_PROBES = 8
# A user's loss costs a Hessian of outputs x outputs for every image.
MAX_HESSIAN_OUTPUTS = 256


@runtime_checkable
class Loss(Protocol):
    """The mean over images of a function of the outputs and the target of one image.

    Attributes:
        name: name of the loss, for messages.
        classification: True if outputs are logits [N, C] and targets are labels, so that an accuracy exists.

    Example:
        >>> loss = load_loss("cross-entropy")
        >>> loss.classification, round(float(loss(torch.zeros(1, 2), torch.tensor([0]))), 4)
        (True, 0.6931)
    """

    @property
    def name(self) -> str: ...

    @property
    def classification(self) -> bool: ...

    def check(self, outputs: Tensor, targets: Tensor | None, source: str, /) -> None:
        """Refuse outputs [N, ...] and targets [M, ...], or None, that do not fit together; N and M may differ.

        Raises:
            ModelError: the loss does not accept the outputs.
            DataError: the loss does not accept the targets; the message begins with `source`.
        """
        ...

    def __call__(self, outputs: Tensor, targets: Tensor, /) -> Tensor:
        """Return the mean loss, a scalar in the unit of the loss."""
        ...

    def curvature(
        self, outputs: Tensor, targets: Tensor | None, probes: int | None, generator: torch.Generator, /
    ) -> Tensor:
        """Return a square root of the Hessian of every image's loss in its outputs.

        Args:
            outputs: [N, ...] outputs of the network.
            targets: targets of these images.
            probes: number of random vectors, >= 1; None: exact vectors up to `EXACT_OUTPUTS` outputs, and
                `SAMPLED_PROBES` random vectors beyond.
            generator: generator of the random vectors.

        Returns:
            [P, N, ...] vectors whose outer products sum to the Hessian, exactly or in expectation; P depends on
            the shape of one image's outputs and on `probes` only.
        """
        ...

    def divergence(self, reference: Tensor, outputs: Tensor, targets: Tensor | None, /) -> float:
        """Return the mean divergence of outputs [N, ...] from a reference network's, in the unit of the loss."""
        ...


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy of logits [N, C] with labels [N], in nats; its divergence is KL(reference || outputs) >= 0.

    Example:
        >>> logits, labels = torch.zeros(2, 4), torch.tensor([0, 3])
        >>> round(float(CrossEntropy()(logits, labels)), 4)  # ln 4
        1.3863
    """

    name: ClassVar[str] = "cross-entropy"
    classification: ClassVar[bool] = True

    def check(self, outputs: Tensor, targets: Tensor | None, source: str, /) -> None:
        """See `Loss.check`."""
        if outputs.dim() != 2:
            raise ModelError(
                f"the network gives {outputs.dtype} of shape {tuple(outputs.shape)} for {len(outputs)} images, "
                "not logits of shape (images, classes)"
            )
        if targets is None:
            return
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

    def curvature(
        self, outputs: Tensor, _targets: Tensor | None, probes: int | None, generator: torch.Generator, /
    ) -> Tensor:
        """Use diag(p) - p p' with p the softmax; it does not depend on labels. See `Loss.curvature`."""
        # Use double precision, because float32 loses p(1 - p) of a confident network.
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

    def divergence(self, reference: Tensor, outputs: Tensor, _targets: Tensor | None, /) -> float:
        """See `Loss.divergence`."""
        return kl_divergence(reference, outputs)


@dataclass(frozen=True)
class SquaredError:
    """Half the squared distance of outputs [N, ...] to targets of the same shape, summed over outputs.

    Example:
        >>> float(SquaredError()(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0.0]])))
        2.5
    """

    name: ClassVar[str] = "squared-error"
    classification: ClassVar[bool] = False

    def check(self, outputs: Tensor, targets: Tensor | None, source: str, /) -> None:
        """See `Loss.check`; axes of length 1 do not count, so that targets [N] fit outputs [N, 1]."""
        if targets is None:
            return
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

    def curvature(
        self, outputs: Tensor, _targets: Tensor | None, probes: int | None, generator: torch.Generator, /
    ) -> Tensor:
        """Use unit vectors or random signs; the Hessian is the identity. See `Loss.curvature`."""
        size = outputs[0].numel()
        if probes is None and size <= EXACT_OUTPUTS:
            rows = torch.eye(size, dtype=outputs.dtype)[:, None].expand(-1, len(outputs), -1)
        else:
            rows = _signs(probes or SAMPLED_PROBES, len(outputs), size, generator).to(outputs.dtype)
        return rows.reshape(-1, *outputs.shape)

    def divergence(self, reference: Tensor, outputs: Tensor, _targets: Tensor | None, /) -> float:
        """Return half the mean squared distance of the outputs. See `Loss.divergence`."""
        _check_alike(reference, outputs)
        return float(self(outputs, reference))


@dataclass(frozen=True)
class CallableLoss:
    """A loss of the user: any twice differentiable function of outputs [N, ...] and targets [N, ...].

    Attributes:
        name: name of the loss, for messages.
        function: returns the mean over images as a scalar tensor.

    Example:
        >>> huber = CallableLoss("huber", nn.HuberLoss())
        >>> float(huber(torch.tensor([3.0]), torch.tensor([0.0])))
        2.5
    """

    name: str
    function: Callable[[Tensor, Tensor], object]
    classification: ClassVar[bool] = False

    def check(self, _outputs: Tensor, targets: Tensor | None, source: str, /) -> None:
        """Accept every pair; the function decides about its arguments. See `Loss.check`."""
        if targets is None:
            raise DataError(f"{source}: the loss {self.name} is a function of outputs and targets, and there are none")

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
        """Use the eigenvectors of the Hessian of every image. See `Loss.curvature`.

        Negative eigenvalues are set to zero: the quadratic model must be bounded below (generalized Gauss-Newton
        assumes a loss that is convex in the outputs), and this gives the nearest model that is.

        Raises:
            OptionError: the function fails, cannot be differentiated twice, or an image has more than
                `MAX_HESSIAN_OUTPUTS` outputs.
        """
        values, vectors = torch.linalg.eigh(self._hessians(outputs, _required(targets, self.name)).double())
        roots: Tensor = vectors * values.clamp(min=0).sqrt()[:, None]
        size = roots.shape[1]
        if probes is None and size <= EXACT_OUTPUTS:
            rows = roots.permute(2, 0, 1)
        else:
            signs = _signs(probes or SAMPLED_PROBES, len(outputs), size, generator)
            rows = torch.einsum("nij,pnj->pni", roots, signs)
        return rows.reshape(-1, *outputs.shape).to(outputs.dtype)

    def divergence(self, reference: Tensor, outputs: Tensor, targets: Tensor | None, /) -> float:
        """Return the loss of the outputs minus that of the reference; may be negative. See `Loss.divergence`."""
        _check_alike(reference, outputs)
        given = _required(targets, self.name)
        return float(self(outputs, given)) - float(self(reference, given))

    def _hessians(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return [N, D, D] Hessians with D = number of outputs of one image."""
        size = outputs[0].numel()
        if size > MAX_HESSIAN_OUTPUTS:
            raise OptionError(
                f"the loss {self.name} is measured by Hessians in the outputs, for up to {MAX_HESSIAN_OUTPUTS} of "
                f"them; the network has {size}"
            )
        with torch.enable_grad(), foreign_code(OptionError, f"the loss {self.name} cannot be differentiated twice"):
            # Evaluate image by image, because the function may combine the images of a batch; use one graph, so that
            # each backward pass serves all images.
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
    """Load a loss by name, or a loss of the user.

    Args:
        text: "cross-entropy", "squared-error", or `package.module:name` of an `nn.Module` or of a callable without
            arguments that returns a callable (outputs, targets) -> mean loss, such as `torch.nn:HuberLoss`.

    Raises:
        OptionError: the loss is unknown, or its factory fails or returns something that is not callable.

    Example:
        >>> load_loss("squared-error").name, load_loss("torch.nn:HuberLoss").name
        ('squared-error', 'torch.nn:HuberLoss')
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
    """Return the mean over the images of KL(reference || other), in nats, >= 0.

    Args:
        reference_logits: (N, classes) logits of the reference network.
        other_logits: (N, classes) logits of the other network.

    Raises:
        ModelError: the shapes differ.

    Example:
        >>> round(kl_divergence(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]])), 4)
        0.1201
    """
    _check_alike(reference_logits, other_logits)
    reference = F.log_softmax(reference_logits.detach().double(), dim=1)
    other = F.log_softmax(other_logits.detach().double(), dim=1)
    divergence = F.kl_div(other, reference, reduction="batchmean", log_target=True)
    return max(0.0, float(divergence))  # rounding errors give about -1e-17 for equal logits


def _required(targets: Tensor | None, name: str) -> Tensor:
    if targets is None:
        raise DataError(f"the loss {name} is a function of outputs and targets, and there are no targets")
    return targets


def _check_alike(reference: Tensor, other: Tensor) -> None:
    if reference.shape != other.shape:
        shapes = f"{tuple(reference.shape)} and {tuple(other.shape)}"
        raise ModelError(f"outputs of shapes {shapes} cannot be compared")


def _signs(count: int, images: int, size: int, generator: torch.Generator) -> Tensor:
    """Return [count, images, size] random signs over sqrt(count); their outer products sum to I in expectation."""
    bits = torch.randint(2, (count, images, size), generator=generator, dtype=torch.float64)
    return (2 * bits - 1) / math.sqrt(count)

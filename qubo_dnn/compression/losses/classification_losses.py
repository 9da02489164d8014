"""Cross-entropy of classes, and of independent labels, at every position of an image or a text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from qubo_dnn.compression.losses.loss import (
    EXACT_OUTPUTS,
    SAMPLED_PROBES,
    check_alike,
    check_same_shape,
    diagonal_root,
)
from qubo_dnn.errors import DataError, ModelError

_MAX_AXES = 5
_IGNORED = -100
"""The label of positions without a target, as torch has it."""


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy of logits with labels, in nats: the mean over the positions of an image, and over the images.

    Its divergence is KL(reference || outputs) >= 0, averaged alike. Positions with the label -100 have no target.

    Attributes:
        axis: axis of the classes: 1, as for images [N, C], feature maps [N, C, H, W] and signals [N, C, T], or -1, the
            last one, as for tokens [N, T, C].

    Example:
        >>> logits, labels = torch.zeros(2, 4), torch.tensor([0, 3])
        >>> round(float(CrossEntropy()(logits, labels)), 4)  # ln 4
        1.3863
    """

    axis: int = 1
    classification: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """See `Loss.name`."""
        return "cross-entropy" if self.axis == 1 else "token-cross-entropy"

    def check(self, outputs: Tensor, targets: Tensor | None, source: str, /) -> None:
        """See `Loss.check`."""
        if not 2 <= outputs.dim() <= _MAX_AXES:
            raise ModelError(
                f"the network gives {outputs.dtype} of shape {tuple(outputs.shape)} for {len(outputs)} images, "
                "not logits of shape (images, classes), or (images, classes, positions) with up to three axes of them"
            )
        if targets is None:
            return
        if targets.is_floating_point():
            raise DataError(
                f"{source}: labels are {targets.dtype} of shape {tuple(targets.shape)}, not integers; "
                "other targets need another loss, such as squared-error"
            )
        positions = tuple(self._last(outputs).shape[1:-1])
        if tuple(targets.shape[1:]) != positions:
            other = CrossEntropy(-1 if self.axis == 1 else 1)
            fits = outputs.dim() > 2 and tuple(targets.shape[1:]) == tuple(other._last(outputs).shape[1:-1])
            hint = f"; the loss {other.name} fits" if fits else ""
            raise DataError(
                f"{source}: labels are {targets.dtype} of shape {tuple(targets.shape)}, not integers of shape "
                f"({', '.join(['N', *map(str, positions)])}), as {self.name} of outputs {tuple(outputs.shape)} needs; "
                f"other targets need another loss{hint}"
            )
        classes = outputs.shape[self.axis]
        if (largest := int(targets.max())) >= classes:
            raise DataError(f"{source}: labels out of range: label {largest}, the network has {classes} outputs")

    def __call__(self, outputs: Tensor, targets: Tensor, /) -> Tensor:
        """See `Loss.__call__`."""
        labels = targets.flatten(1) if targets.dim() > 1 else targets[:, None]
        counted = (labels != _IGNORED).double()
        # Images without labels have weight zero.
        weights = counted / counted.sum(1, keepdim=True).clamp(min=1.0)
        each = F.cross_entropy(
            self._positions(outputs.double()).transpose(1, 2), labels, reduction="none", ignore_index=_IGNORED
        )
        return (weights * each).sum() / len(outputs)

    def curvature(
        self, outputs: Tensor, _targets: Tensor | None, probes: int | None, generator: torch.Generator, /
    ) -> Tensor:
        """Use diag(p) - p p' of every position, p the softmax; it does not depend on labels. See `Loss.curvature`."""
        # Use double precision, because float32 loses p(1 - p) of a confident network.
        p = self._positions(outputs.double()).softmax(2)
        images, positions, classes = p.shape
        one_hot = torch.eye(classes, dtype=p.dtype)
        if probes is None and outputs[0].numel() <= EXACT_OUTPUTS:
            # diag(p) - p p' = S (I - s s') S with s = sqrt(p), S = diag(s); the Householder reflection of s to -e_C
            # has -s as its last column, and the others are an orthonormal basis of I - s s'.
            s = p.sqrt()
            first, last = s[..., :-1].movedim(2, 0)[..., None], s[..., -1:]
            vectors = s * (one_hot[:-1, None, None] - first / (1 + last) * (s + one_hot[-1]))
            # One position at a time.
            alone = torch.eye(positions, dtype=p.dtype)[:, None, None, :, None]
            return self._restored((alone * vectors / math.sqrt(positions)).flatten(0, 1), outputs)
        count = probes or SAMPLED_PROBES
        labels = torch.multinomial(p.flatten(0, 1), count, replacement=True, generator=generator)
        drawn = (one_hot[labels.T].reshape(count, images, positions, classes) - p) / math.sqrt(count)
        # Labels of different positions are independent and of mean zero, so that their products vanish in expectation.
        return self._restored(drawn / math.sqrt(positions), outputs)

    def divergence(self, reference: Tensor, outputs: Tensor, _targets: Tensor | None, /) -> float:
        """See `Loss.divergence`."""
        check_alike(reference, outputs)
        before, after = (F.log_softmax(self._positions(each.detach().double()), 2) for each in (reference, outputs))
        each = (before.exp() * (before - after)).sum(2)
        # Rounding errors give about -1e-17 for equal logits.
        return max(0.0, float(each.mean()))

    def _last(self, outputs: Tensor) -> Tensor:
        return outputs.movedim(self.axis, -1)

    def _positions(self, outputs: Tensor) -> Tensor:
        """Return [N, positions, classes]."""
        return self._last(outputs).reshape(len(outputs), -1, outputs.shape[self.axis])

    def _restored(self, vectors: Tensor, outputs: Tensor) -> Tensor:
        """Undo `_positions` for vectors [P, N, positions, classes]."""
        shape = self._last(outputs).shape
        last = vectors.reshape(len(vectors), *shape)
        return last.movedim(-1, self.axis if self.axis < 0 else self.axis + 1).to(outputs.dtype)


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """Cross-entropy of independent yes-no outputs with targets in [0, 1], in nats, summed over an image's outputs.

    As for the labels of an image, the bins of a pitch tracker or the pixels of masks. Its divergence is the sum of the
    KL divergences of the outputs from those of the reference.

    Attributes:
        logits: True if the outputs are logits, False if the network ends in a sigmoid and gives probabilities.

    Example:
        >>> round(float(BinaryCrossEntropy()(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]]))), 4)  # 2 ln 2
        1.3863
    """

    logits: bool = True
    classification: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """See `Loss.name`."""
        return "binary-cross-entropy-with-logits" if self.logits else "binary-cross-entropy"

    def check(self, outputs: Tensor, targets: Tensor | None, source: str, /) -> None:
        """See `Loss.check`."""
        if not self.logits and not bool(((outputs >= 0) & (outputs <= 1)).all()):
            raise ModelError(
                f"the network gives outputs from {float(outputs.min()):.4g} to {float(outputs.max()):.4g}, not "
                f"probabilities as {self.name} needs; for logits take binary-cross-entropy-with-logits"
            )
        check_same_shape(self.name, outputs, targets, source)
        if targets is not None and not bool(((targets >= 0) & (targets <= 1)).all()):
            raise DataError(f"{source}: targets are not within 0 and 1, as {self.name} needs")

    def __call__(self, outputs: Tensor, targets: Tensor, /) -> Tensor:
        """See `Loss.__call__`."""
        z, y = self._logits(outputs), targets.reshape(outputs.shape).double()
        each = F.binary_cross_entropy_with_logits(z, y, reduction="none").reshape(len(outputs), -1)
        return each.sum() / len(outputs)

    def curvature(
        self, outputs: Tensor, _targets: Tensor | None, probes: int | None, generator: torch.Generator, /
    ) -> Tensor:
        """Use p(1 - p) for logits and 1 / (p(1 - p)) for probabilities p, the same metric. See `Loss.curvature`."""
        z = self._logits(outputs).reshape(len(outputs), -1)
        variance = z.sigmoid() * (-z).sigmoid()
        hessian = variance if self.logits else 1 / variance
        return diagonal_root(hessian, probes, generator, outputs.shape, outputs.dtype)

    def divergence(self, reference: Tensor, outputs: Tensor, _targets: Tensor | None, /) -> float:
        """See `Loss.divergence`."""
        check_alike(reference, outputs)
        before, after = (self._logits(each.detach()) for each in (reference, outputs))
        yes = before.sigmoid() * (F.logsigmoid(before) - F.logsigmoid(after))
        no = (-before).sigmoid() * (F.logsigmoid(-before) - F.logsigmoid(-after))
        each = (yes + no).reshape(len(outputs), -1)
        return max(0.0, float(each.sum() / len(outputs)))

    def _logits(self, outputs: Tensor) -> Tensor:
        if self.logits:
            return outputs.double()
        # A sigmoid in float32 rounds to 0 or 1, where the logit would be infinite.
        return outputs.double().logit(eps=torch.finfo(torch.float32).eps / 2)


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
    return CrossEntropy().divergence(reference_logits, other_logits, None)

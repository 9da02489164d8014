"""The contract of a loss, and what losses share: alike outputs, and square roots of diagonal Hessians."""

from __future__ import annotations

import math
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from qubo_dnn.errors import DataError, ModelError

EXACT_OUTPUTS = 32
SAMPLED_PROBES = 8


@runtime_checkable
class Loss(Protocol):
    """The mean over images of a function of the outputs and the target of one image.

    Outputs are floating-point tensors [N, ...] of any further axes; where they are padding, they are constant, see
    `qubo_dnn.compression.network.outputs.compared`.

    Attributes:
        name: name of the loss, for messages.
        classification: True if targets are labels, so that an accuracy exists.

    Example:
        >>> from qubo_dnn.compression.losses.losses import load_loss
        >>> loss = load_loss("cross-entropy")
        >>> loss.classification, round(float(loss(torch.zeros(1, 2), torch.tensor([0]))), 4)
        (True, 0.6931)
    """

    @property
    def name(self) -> str: ...

    @property
    def classification(self) -> bool: ...

    def check(self, outputs: Tensor, targets: Tensor | None, source: str, /) -> None:
        """Refuse outputs [N, ...] and targets [M, ...] that do not fit together; N and M may differ.

        Args:
            outputs: outputs of the network.
            targets: targets, or None where there are none.
            source: name of the data, for messages.

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
            targets: targets of these images; only a loss of the user's needs them.
            probes: number of random vectors, >= 1; None: exact vectors up to `EXACT_OUTPUTS` outputs of an image, and
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


def diagonal_root(
    hessian: Tensor, probes: int | None, generator: torch.Generator, shape: torch.Size, dtype: torch.dtype
) -> Tensor:
    """Return vectors whose outer products sum to a diagonal Hessian, exactly or in expectation.

    Args:
        hessian: [N, D] float64 diagonal of every image's Hessian, >= 0.
        probes: number of random vectors; None: see `Loss.curvature`.
        generator: generator of the random vectors.
        shape: shape [N, ...] of the outputs.
        dtype: type of the result.

    Example:
        >>> diagonal_root(torch.tensor([[4.0, 1.0]]), None, torch.Generator(), torch.Size([1, 2]), torch.float32)
        tensor([[[2., 0.]],
        <BLANKLINE>
                [[0., 1.]]])
    """
    images, size = hessian.shape
    root = hessian.double().sqrt()
    if probes is None and size <= EXACT_OUTPUTS:
        rows = torch.eye(size, dtype=root.dtype)[:, None] * root
    else:
        rows = signs(probes or SAMPLED_PROBES, images, size, generator) * root
    return rows.reshape(-1, *shape).to(dtype)


def signs(count: int, images: int, size: int, generator: torch.Generator) -> Tensor:
    """Return [count, images, size] random signs over sqrt(count); their outer products sum to I in expectation.

    Example:
        >>> signs(4, images=1, size=2, generator=torch.Generator()).abs().unique().tolist()
        [0.5]
    """
    bits = torch.randint(2, (count, images, size), generator=generator, dtype=torch.float64)
    return (2 * bits - 1) / math.sqrt(count)


def check_alike(reference: Tensor, other: Tensor) -> None:
    """Refuse outputs of different shapes.

    Raises:
        ModelError: the shapes differ.

    Example:
        >>> check_alike(torch.zeros(2, 3), torch.ones(2, 3))
    """
    if reference.shape != other.shape:
        shapes = f"{tuple(reference.shape)} and {tuple(other.shape)}"
        raise ModelError(f"outputs of shapes {shapes} cannot be compared")


def check_same_shape(name: str, outputs: Tensor, targets: Tensor | None, source: str) -> None:
    """Refuse targets whose axes differ from those of the outputs; axes of length 1 do not count.

    Raises:
        DataError: they differ.

    Example:
        >>> check_same_shape("squared-error", torch.zeros(2, 1), torch.zeros(5), "data")
    """
    if targets is None:
        return
    given, needed = ([n for n in tensor.shape[1:] if n != 1] for tensor in (targets, outputs))
    if given != needed:
        raise DataError(
            f"{source}: targets of shape {tuple(targets.shape)} do not fit outputs of shape "
            f"(images, {', '.join(map(str, outputs.shape[1:]))}), as {name} needs"
        )

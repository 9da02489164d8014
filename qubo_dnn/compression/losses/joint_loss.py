"""One loss of several outputs of a network, each with its own loss and weight."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from qubo_dnn.compression.losses.losses import Loss, load_loss
from qubo_dnn.errors import ModelError, OptionError


@dataclass(frozen=True)
class LossTerm:
    """A compared output with its loss.

    Attributes:
        name: name of the output, see `qubo_dnn.compression.network.outputs`.
        loss: its loss; None: the loss of the whole compression.
        weight: factor of its loss, > 0.

    Raises:
        OptionError: the weight is not a finite number > 0.

    Example:
        >>> LossTerm("boxes", weight=0.5).loss is None
        True
    """

    name: str
    loss: Loss | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight > 0.0):
            raise OptionError(f"the weight of the output {self.name!r} must be a number > 0, not {self.weight}")


_TERM = re.compile(r"(?P<name>[^=*\s]+)(?:=(?P<loss>[^=*\s]+))?(?:\*(?P<weight>[^=*\s]+))?", re.ASCII)


def parse_term(text: str) -> LossTerm:
    """Parse a compared output: NAME, NAME=LOSS, NAME*WEIGHT or NAME=LOSS*WEIGHT.

    Raises:
        OptionError: the text has none of these forms, or there is no such loss.

    Example:
        >>> term = parse_term("boxes=squared-error*0.5")
        >>> term.name, term.loss.name, term.weight
        ('boxes', 'squared-error', 0.5)
    """
    match = _TERM.fullmatch(text.strip())
    try:
        weight = float(match["weight"] or 1.0) if match else math.nan
    except ValueError:
        weight = math.nan
    if match is None or math.isnan(weight):
        raise OptionError(f"output {text!r} is not NAME, NAME=LOSS, NAME*WEIGHT or NAME=LOSS*WEIGHT")
    return LossTerm(match["name"], load_loss(match["loss"]) if match["loss"] else None, weight)


@dataclass(frozen=True)
class JointLoss:
    """The weighted sum of the losses of several outputs, which come as [N, D], one after another.

    It serves to compare networks, and takes no targets.

    Attributes:
        terms: names, losses and weights of the outputs.
        losses: the loss of each output.
        shapes: shape of each output for one sample; the sizes sum to D.

    Example:
        >>> from qubo_dnn.compression.losses.losses import CROSS_ENTROPY, SquaredError
        >>> terms = (LossTerm("classes"), LossTerm("boxes", weight=0.5))
        >>> loss = JointLoss(terms, (CROSS_ENTROPY, SquaredError()), ((2,), (4,)))
        >>> outputs = torch.zeros(3, 6)
        >>> loss.divergence(outputs, outputs + torch.tensor([0, 0, 2, 0, 0, 0]), None)  # 0.5 * (2 * 2 / 2)
        1.0
    """

    terms: Sequence[LossTerm]
    losses: Sequence[Loss]
    shapes: Sequence[tuple[int, ...]]
    classification: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """See `Loss.name`."""
        parts = (
            f"{term.weight:g} {loss.name} of {term.name}" for term, loss in zip(self.terms, self.losses, strict=True)
        )
        return " + ".join(parts)

    def check(self, outputs: Tensor, _targets: Tensor | None, source: str, /) -> None:
        """See `Loss.check`."""
        for (_, loss), part in zip(self._weighted(), self._split(outputs), strict=True):
            loss.check(part, None, source)

    def __call__(self, _outputs: Tensor, _targets: Tensor | None, /) -> Tensor:
        """Refuse: targets of several outputs are not defined.

        Raises:
            OptionError: always.
        """
        raise OptionError("the losses of several outputs compare networks, and take no targets")

    def curvature(
        self, outputs: Tensor, _targets: Tensor | None, probes: int | None, generator: torch.Generator, /
    ) -> Tensor:
        """Use the vectors of every output in turn, zero in the other outputs. See `Loss.curvature`."""
        found, first = [], 0
        for (weight, loss), part in zip(self._weighted(), self._split(outputs), strict=True):
            rows = loss.curvature(part, None, probes, generator).flatten(2)
            padded = rows.new_zeros(len(rows), *outputs.shape)
            padded[..., first : first + rows.shape[2]] = math.sqrt(weight) * rows
            found.append(padded)
            first += rows.shape[2]
        return torch.cat(found)

    def divergence(self, reference: Tensor, outputs: Tensor, _targets: Tensor | None, /) -> float:
        """Return the weighted sum of the divergences. See `Loss.divergence`."""
        pairs = zip(self._weighted(), self._split(reference), self._split(outputs), strict=True)
        return sum(weight * loss.divergence(one, other, None) for (weight, loss), one, other in pairs)

    def _weighted(self) -> Iterator[tuple[float, Loss]]:
        return ((term.weight, loss) for term, loss in zip(self.terms, self.losses, strict=True))

    def _split(self, outputs: Tensor) -> list[Tensor]:
        sizes = [math.prod(shape) for shape in self.shapes]
        if outputs.dim() != 2 or outputs.shape[1] != sum(sizes):
            raise ModelError(f"outputs of shape {tuple(outputs.shape)} are not the {sum(sizes)} compared ones")
        parts = torch.split(outputs, sizes, 1)
        return [part.reshape(len(outputs), *shape) for part, shape in zip(parts, self.shapes, strict=True)]

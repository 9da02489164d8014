"""How far networks have gone from the one they come from, on images that nothing was measured on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import nn

from qubo_dnn.compression.network.dataset import Data
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.losses import Loss
from qubo_dnn.errors import OptionError

_BLOCKS = 16


@dataclass(frozen=True, eq=False)
class Divergence:
    """Divergence of one network from the reference.

    Attributes:
        blocks: [B] mean divergence over each of B parts of the held-out images, equal but for one image, in the
            loss's unit.
    """

    blocks: NDArray[np.float64]

    @property
    def divergence(self) -> float:
        """Mean over the parts."""
        return float(self.blocks.mean())

    def clearly_above(self, limit: float) -> bool:
        """Return whether the divergence exceeds a limit by more than its own standard error."""
        error = self.blocks.std(ddof=1) / np.sqrt(len(self.blocks)) if len(self.blocks) > 1 else 0.0
        return bool(self.divergence - error > limit)

    def clearly_better(self, other: Divergence) -> bool:
        """Return whether the divergence is less than the other's by more than the standard error of the difference.

        Few held-out images decide over many alternatives; without this margin they would choose their own noise.
        """
        gain = other.blocks - self.blocks
        error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
        return bool(gain.mean() > error)


class HeldOutDivergence:
    """Compares networks with a reference.

    Args:
        reference: the network as given.
        held_out: images that neither sensitivity nor recovery sees.
        loss: whose divergence is taken.

    Raises:
        ModelError: the outputs of the reference are not finite, or not what the loss takes.
        DataError: the targets do not fit them.
    """

    def __init__(self, reference: nn.Module, held_out: Data, loss: Loss) -> None:
        self._data, self._loss = held_out, loss
        self._reference = logits(reference, held_out)
        self._targets = held_out.targets
        loss.check(self._reference, self._targets, held_out.name)
        self._parts = np.array_split(np.arange(len(held_out)), min(_BLOCKS, len(held_out)))

    @cached_property
    def constant(self) -> float:
        """Divergence of a network that gives the reference's mean outputs for every image; 0 where there is none."""
        outputs = self._reference.mean(0, keepdim=True).expand_as(self._reference)
        try:
            return max(0.0, self._loss.divergence(self._reference, outputs, self._targets))
        except OptionError:
            # A loss of the caller's need not be defined for such outputs.
            return 0.0

    def __call__(self, network: nn.Module) -> Divergence:
        """Judge a network.

        Raises:
            ModelError: its outputs are not finite, or not of the reference's shape.
        """
        given = logits(network, self._data)
        parts = [self._loss.divergence(self._reference[p], given[p], self._targets[p]) for p in self._parts]
        return Divergence(np.array(parts))

"""Divergence of networks from a reference network on held-out images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import Loss
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.errors import OptionError

_BLOCKS = 16


@dataclass(frozen=True, eq=False)
class Divergence:
    """Divergence of one network from the reference.

    Attributes:
        blocks: [B] mean divergence over each of B parts of the held-out images, in the unit of the loss; the sizes of
            the parts differ by at most one image.

    Example:
        >>> better, worse = Divergence(np.array([0.1, 0.2])), Divergence(np.array([0.4, 0.6]))
        >>> worse.divergence, better.clearly_better(worse)
        (0.5, True)
    """

    blocks: NDArray[np.float64]

    @property
    def divergence(self) -> float:
        """Mean over the parts."""
        return float(self.blocks.mean())

    def clearly_above(self, limit: float) -> bool:
        """Return whether the divergence exceeds a limit by more than its standard error."""
        error = self.blocks.std(ddof=1) / np.sqrt(len(self.blocks)) if len(self.blocks) > 1 else 0.0
        return bool(self.divergence - error > limit)

    def clearly_better(self, other: Divergence) -> bool:
        """Return whether the divergence is smaller than another by more than the standard error of the difference.

        Few held-out images compare many alternatives; without this margin, noise would decide.
        """
        gain = other.blocks - self.blocks
        error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
        return bool(gain.mean() > error)


class HeldOutDivergence:
    """Compare networks with a reference network on held-out images.

    Args:
        reference: the original network.
        held_out: images that neither sensitivity nor recovery uses.
        loss: the loss that defines the divergence.

    Raises:
        ModelError: the outputs of the reference are not finite, or the loss does not accept them.
        DataError: the targets do not fit the outputs.

    Example:
        >>> import torch
        >>> from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
        >>> network = nn.Linear(3, 2)
        >>> judge = HeldOutDivergence(network, Data.from_tensors(torch.eye(3), torch.tensor([0, 1, 0])), CROSS_ENTROPY)
        >>> judge(network).divergence
        0.0
    """

    def __init__(self, reference: nn.Module, held_out: Data, loss: Loss) -> None:
        self._data, self._loss = held_out, loss
        self._reference = logits(reference, held_out)
        self._targets = held_out.targets
        loss.check(self._reference, self._targets, held_out.name)
        self._parts = np.array_split(np.arange(len(held_out)), min(_BLOCKS, len(held_out)))

    @cached_property
    def constant(self) -> float:
        """Divergence of a network with the mean outputs of the reference for every image; 0 if undefined."""
        outputs = self._reference.mean(0, keepdim=True).expand_as(self._reference)
        try:
            return max(0.0, self._loss.divergence(self._reference, outputs, self._targets))
        except OptionError:
            # A loss of the user may be undefined for such outputs.
            return 0.0

    def __call__(self, network: nn.Module) -> Divergence:
        """Return the divergence of a network.

        Raises:
            ModelError: its outputs are not finite, or differ in shape from those of the reference.
        """
        given = logits(network, self._data)
        targets = self._targets
        parts = [
            self._loss.divergence(self._reference[p], given[p], None if targets is None else targets[p])
            for p in self._parts
        ]
        return Divergence(np.array(parts))

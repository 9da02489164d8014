"""The cheapest way to complete a state within a quadratic inequality, while sites are chosen one after another."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from qubo_backends._choices.space import ChoiceSpace


class Completion:
    """A quadratic left side with the sites that were not chosen yet at their cheapest options.

    All left sides are in units of the constraint's scale.

    Args:
        space: what can be chosen.
        column: the constraint.

    Attributes:
        column: the same.
        least: the left side with all sites at their cheapest options.
        width: > 0, by how much it may rise or fall at most, roughly.
        slopes: [slots] what every slot adds to it there.
    """

    def __init__(self, space: ChoiceSpace, column: int) -> None:
        self._space, self.column = space, column
        self._options = space.least(column)
        cheapest = self._options[None]
        scale = space.scales[column]
        self.least = float(space.activities(cheapest)[0, column] / scale)
        slots = space.costs[:, column] / scale
        self.width = max(float(np.maximum.reduceat(slots, space.firsts).sum()), 1e-12)
        self.slopes = torch.from_numpy(space.slopes(cheapest, column)[0] / scale)
        self._interactions = []
        for site, option in enumerate(self._options):
            slots, values = space.interactions(column, site)
            changes = torch.from_numpy((values - values[option]) / scale)
            self._interactions.append((torch.from_numpy(slots), changes))

    def steps(self, slopes: Tensor, site: int, options: int) -> Tensor:
        """[B, options] by how much the left side changes when a site leaves its cheapest option for another.

        Args:
            slopes: [B, slots] of every agent.
            site: whose turn it is.
            options: columns of the result; 0 where the site has no such option.
        """
        first, size = int(self._space.firsts[site]), int(self._space.sizes[site])
        found = torch.zeros(len(slopes), options, dtype=slopes.dtype)
        found[:, :size] = slopes[:, first : first + size] - slopes[:, first + self._options[site], None]
        return found

    def choose(self, slopes: Tensor, site: int, action: Tensor) -> None:
        """Bring the slopes [B, slots] to the options [B] that a site was given, in place."""
        slots, changes = self._interactions[site]
        if len(slots):
            slopes[:, slots] += changes[action]

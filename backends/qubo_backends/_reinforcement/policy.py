"""The policy: a small network from what an agent observes at a site to a score for each of its options."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from qubo_backends._choices.run import Task


class Policy(nn.Module):
    """Scores of options, from observations and from a table of each site's own.

    The network generalises over sites, as AMC's and HAQ's actors do. Where features of sites are alike, and the best
    options are not, as on a graph without biases, they cannot be told apart by it: that is what the table is for.

    Args:
        observed: numbers in an observation.
        hidden: units in each of two layers.
        sites: of the problem.
        options: most options of a site.
        generator: of the first weights; the last layer starts at 0, so that every option is equally likely.
    """

    def __init__(self, observed: int, hidden: int, sites: int, options: int, generator: torch.Generator) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _undrawn(observed, hidden), nn.Tanh(), _undrawn(hidden, hidden), nn.Tanh(), _undrawn(hidden, options)
        )
        self.table = nn.Parameter(torch.zeros(sites, options))
        with torch.no_grad():
            for layer in self.layers:
                if isinstance(layer, nn.Linear):
                    bound = 0.0 if layer is self.layers[-1] else math.sqrt(3.0 / layer.in_features)
                    layer.weight.uniform_(-bound, bound, generator=generator)
                    layer.bias.zero_()

    def forward(self, observations: Tensor, sites: Tensor | int, allowed: Tensor) -> Tensor:
        """Log-probabilities [..., options] of the allowed options.

        Args:
            observations: [..., observed].
            sites: [...] or one for all.
            allowed: [..., options]; at least one in each.
        """
        scores = self.layers(observations) + self.table[sites]
        return torch.log_softmax(scores.masked_fill(~allowed, -torch.inf), dim=-1)


def _undrawn(inputs: int, outputs: int) -> nn.Linear:
    """A layer without weights yet: drawing them here would take numbers from torch's own generator."""
    return nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")


def features(task: Task) -> Tensor:
    """[sites, features] float32 of every site that do not change: position, biases and costs of its options.

    The biases are left out under a black box, of which no coefficient is known.
    """
    space = task.space
    columns = [np.linspace(0.0, 1.0, space.sites)[:, None]]
    if task.modelled:
        columns.append(_by_site(task, space.linear))
    columns += [_by_site(task, space.costs[:, constraint]) for constraint in range(len(space.constants))]
    return torch.from_numpy(np.concatenate(columns, axis=1).astype(np.float32))


def _by_site(task: Task, values: np.ndarray) -> np.ndarray:
    """[sites, most options] of [slots], scaled to a standard deviation of 1; 0 where there is no such option."""
    space = task.space
    table = np.zeros((space.sites, space.largest))
    table[space.site_of, np.arange(len(values)) - space.firsts[space.site_of]] = values
    return table / (values.std() or 1.0)

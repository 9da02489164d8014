"""Episodes: agents that walk through the sites in order, and choose options that the inequalities leave open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qubo_backends._choices.run import Task
from qubo_backends._choices.space import Choices
from qubo_backends._reinforcement.completion import Completion
from qubo_backends._reinforcement.policy import Policy, features


@dataclass(frozen=True)
class Episodes:
    """What B agents saw and did at each of T sites.

    Attributes:
        observations: [T, B, observed].
        allowed: [T, B, options].
        actions: [T, B] options chosen.
        chances: [T, B] their log-probabilities.
    """

    observations: Tensor
    allowed: Tensor
    actions: Tensor
    chances: Tensor

    @property
    def choices(self) -> Choices:
        """[B, T] options."""
        return np.ascontiguousarray(self.actions.numpy().T, np.int32)


class Walk:
    """The environment: what agents observe, and which options they may choose, as they go from site to site.

    An option is open where every inequality could still be met by the cheapest (or, for ">=", the dearest) options of
    all later sites. What is cheapest for a quadratic inequality depends on the other sites: there it is one state that
    no single switch makes cheaper, whose options later sites keep until it is their turn. With inequalities that are
    opposed nothing may be open in the end: then it is the option that breaks them least.

    Args:
        task: whose sites.
    """

    def __init__(self, task: Task) -> None:
        space = task.space
        self.sites, self.options = space.sites, space.largest
        constraints = len(space.constants)
        option = np.arange(len(space.site_of)) - space.firsts[space.site_of]
        exists = np.zeros((self.sites, self.options), bool)
        exists[space.site_of, option] = True
        costs = np.zeros((self.sites, self.options, constraints))
        costs[space.site_of, option] = space.costs / space.scales
        # These change along the way.
        costs[:, :, list(space.quadratic)] = 0.0
        least = np.where(exists[:, :, None], costs, np.inf).min(axis=1)
        most = np.where(exists[:, :, None], costs, -np.inf).max(axis=1)
        # What later sites take at least and at most.
        after_least = np.cumsum(least[::-1], axis=0)[::-1] - least
        after_most = np.cumsum(most[::-1], axis=0)[::-1] - most
        start = space.constants / space.scales
        self._completions = [Completion(space, column) for column in space.quadratic]
        for each in self._completions:
            start[each.column] = each.least
        self._start = torch.from_numpy(start)
        self._uppers = torch.from_numpy(space.uppers / space.scales - after_least)
        self._lowers = torch.from_numpy(space.lowers / space.scales - after_most)
        self._costs, self._exists = torch.from_numpy(costs), torch.from_numpy(exists)
        width = np.maximum((most - least).sum(axis=0), 1e-12)
        for each in self._completions:
            width[each.column] = each.width
        self._width = torch.from_numpy(width)
        self._features = features(task)
        self.observed = self._features.shape[1] + constraints + self.options

    @torch.no_grad()
    def run(self, policy: Policy, count: int, generator: torch.Generator) -> Episodes:
        """`count` episodes at once."""
        observations = torch.empty(self.sites, count, self.observed)
        allowed = torch.empty(self.sites, count, self.options, dtype=torch.bool)
        actions = torch.empty(self.sites, count, dtype=torch.int64)
        chances = torch.empty(self.sites, count)
        used = self._start.expand(count, -1).clone()
        slopes = [each.slopes.expand(count, -1).clone() for each in self._completions]
        fixed, constraints = self._features.shape[1], len(self._start)
        observations[:, :, :fixed] = self._features[:, None, :]
        before = torch.zeros(count, self.options)
        everyone = torch.arange(count)
        for site in range(self.sites):
            if constraints:
                observations[site, :, fixed : fixed + constraints] = self._left(used, site)
            observations[site, :, fixed + constraints :] = before
            steps = self._steps(slopes, site, count)
            open_ = self._open(used, steps, site) if constraints else self._exists[site].expand(count, -1)
            allowed[site] = open_
            chance = policy(observations[site], site, open_)
            noise = torch.empty_like(chance).exponential_(generator=generator)
            # The largest of log-probabilities with Gumbel noise is a draw from them.
            action = (chance - noise.log()).argmax(dim=1)
            actions[site], chances[site] = action, chance[everyone, action]
            if constraints:
                used += steps[everyone, action]
            for own, each in zip(slopes, self._completions, strict=True):
                each.choose(own, site, action)
            before = torch.nn.functional.one_hot(action, self.options).float()
        return Episodes(observations, allowed, actions, chances)

    def _left(self, used: Tensor, site: int) -> Tensor:
        """[B, constraints] what is left, as a share of what choices make out; to the lower bound without an upper."""
        above = self._uppers[site] - used
        room = torch.where(above.isfinite(), above, used - self._lowers[site])
        return (room / self._width).float()

    def _steps(self, slopes: list[Tensor], site: int, count: int) -> Tensor:
        """[B, options, constraints] what options add to what is used."""
        steps = self._costs[site].expand(count, -1, -1)
        if slopes:
            steps = steps.clone()
            for own, each in zip(slopes, self._completions, strict=True):
                steps[:, :, each.column] = each.steps(own, site, self.options)
        return steps

    def _open(self, used: Tensor, steps: Tensor, site: int) -> Tensor:
        """[B, options] whether they can be chosen."""
        after = used[:, None, :] + steps
        beyond = torch.maximum(after - self._uppers[site], self._lowers[site] - after).clamp_(min=0.0).sum(dim=2)
        beyond = beyond.masked_fill(~self._exists[site], torch.inf)
        return beyond <= beyond.min(dim=1, keepdim=True).values.clamp_(min=0.0)

"""Trainings of a policy by proximal policy optimization, between whose steps the clock and Ctrl-C are looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from qubo_backends._choices.run import Task
from qubo_backends._choices.space import Reals
from qubo_backends._reinforcement.episodes import Episodes, Walk
from qubo_backends._reinforcement.policy import Policy

# Decisions whose gradient is taken at a time: what bounds the memory.
_AT_A_TIME = 1 << 17


class TrainingOptions(Protocol):
    """The options that shape a training; see `qubo_backends.reinforcement.ReinforcementOptions`."""

    @property
    def episodes(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def entropy(self) -> float: ...
    @property
    def hidden_units(self) -> int: ...
    @property
    def epochs(self) -> int: ...
    @property
    def clip(self) -> float: ...
    @property
    def top(self) -> float: ...


def train(task: Task, rates: TrainingOptions, trainings: int | None) -> dict[str, Any]:
    """Train policies, one after another, each from its beginning, half as long again as the one before.

    Args:
        task: to work on; at least one site.
        rates: see there.
        trainings: how many; None: until the watch says so.

    Returns:
        Episodes, and trainings begun.
    """
    walk = Walk(task)
    generator = torch.Generator().manual_seed(int(task.rng.integers(2**63)))
    episodes, begun, most = 0, 0, rates.episodes
    while trainings is None or begun < trainings:
        begun += 1
        episodes += _train(task, rates, most, walk, generator)
        # One that settled on too little, having looked at too few episodes, would do so at every repetition.
        most += (most + 1) // 2
        if task.over:
            break
    return {"episodes": episodes, "trainings": begun}


def _train(task: Task, rates: TrainingOptions, most: int, walk: Walk, generator: torch.Generator) -> int:
    """One training of at most so many episodes; those it took. It ends early when all agents do the same."""
    policy = Policy(walk.observed, rates.hidden_units, walk.sites, walk.options, generator)
    optimizer = torch.optim.Adam(policy.parameters(), lr=rates.learning_rate)
    began, left, done = task.watch.seconds, task.watch.seconds_left, 0
    while done < most:
        with _one_thread():
            episodes = walk.run(policy, rates.batch_size, generator)
        choices = episodes.choices
        excess, energies = task.judge(choices)
        done += len(choices)
        if task.over or (choices == choices[0]).all():
            break
        # A training that the time limit cuts short anneals within the time there is.
        elapsed = max(done / most, (task.watch.seconds - began) / left)
        bonus = rates.entropy * max(0.0, 1.0 - elapsed)
        with _one_thread():
            _improve(policy, optimizer, episodes, advantages(excess, energies, rates.top), rates, bonus)
    return done


def advantages(excess: Reals, energies: Reals, top: float) -> Tensor:
    """[B] float32 how much better every episode is than the baseline, in standard deviations.

    The reward is minus the energy, at the end of the episode. What breaks a constraint is worth less than the worst of
    those that do not, the less the more it breaks. The baseline is the mean, or the reward that a share `top` < 1 of
    the episodes exceeds, and the others then count nothing (risk-seeking policy gradients, Petersen et al. 2021).
    """
    reward = -energies
    broken = excess > 0.0
    if broken.all():
        reward = -excess
    elif broken.any():
        kept = reward[~broken]
        reward = np.where(broken, kept.min() - (np.ptp(kept) or 1.0) * (1.0 + excess), reward)
    centred = np.maximum(reward - np.quantile(reward, 1.0 - top), 0.0) if top < 1.0 else reward - reward.mean()
    return torch.from_numpy((centred / (centred.std() or 1.0)).astype(np.float32))


def warm_up() -> None:
    """Load what torch loads at the first step of an optimizer, so that no clock counts it."""
    torch.optim.Adam([torch.zeros(1, requires_grad=True)]).step()


@contextmanager
def _one_thread() -> Iterator[None]:
    """No threads inside: steps are so small that handing them to others takes longer than taking them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _improve(
    policy: Policy,
    optimizer: torch.optim.Adam,
    episodes: Episodes,
    advantage: Tensor,
    rates: TrainingOptions,
    bonus: float,
) -> None:
    """Some steps uphill on the clipped objective of the same episodes (Schulman et al. 2017, equation 7)."""
    sites, count = episodes.actions.shape
    step = max(1, _AT_A_TIME // count)
    everywhere = torch.arange(sites)[:, None].expand(sites, count)
    for _ in range(rates.epochs):
        optimizer.zero_grad()
        for first in range(0, sites, step):
            some = slice(first, first + step)
            chances = policy(episodes.observations[some], everywhere[some], episodes.allowed[some])
            taken = chances.gather(2, episodes.actions[some, :, None])[:, :, 0]
            ratio = (taken - episodes.chances[some]).exp()
            clipped = ratio.clamp(1.0 - rates.clip, 1.0 + rates.clip)
            gain = torch.minimum(ratio * advantage, clipped * advantage)
            entropy = -(chances.exp() * chances.masked_fill(~episodes.allowed[some], 0.0)).sum(dim=2)
            loss = -(gain + bonus * entropy).sum() / (sites * count)
            loss.backward()
        optimizer.step()

"""Sweeps over all sites, exchanges of temperatures, quenches, and samples of what moves would change."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qubo_backends._jit import compiled, inner
from qubo_backends._pt.choices.energies import MOST_OPTIONS, Workspace, option_energies, pair_block
from qubo_backends._pt.choices.heat_bath import draw_option, draw_pair, forbid_options
from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.random import below, uniform
from qubo_backends._pt.choices.replicas import Replicas, resum
from qubo_backends._pt.choices.swap_moves import pair_is_allowed, propose_swap, swap

# Rounding errors of what is kept incrementally grow with the square root of the moves.
SWEEPS_BETWEEN_SUMS = 64
# All pairs of so many sites are offered an exchange in a sweep; of more as many for each.
_ALL_PAIRS = 40
# Of a quench, so many times the coldest inverse temperature.
_FROZEN = 1e6


class Ladder(NamedTuple):
    """Which replica is at which temperature, and what happened there; changed in place.

    Attributes:
        at: [replicas] the replica at each temperature, coldest first.
        moves: [replicas] moves made at each temperature.
        offered, exchanged: [replicas] exchanges of each temperature with the next hotter one, offered and made.
        heading: [replicas] of every replica: 1 after the coldest temperature, -1 after the hottest, 0 before both.
        trips: [replicas] ends reached by every replica after the opposite one: two make a round trip.
    """

    at: NDArray[np.int64]
    moves: NDArray[np.int64]
    offered: NDArray[np.int64]
    exchanged: NDArray[np.int64]
    heading: NDArray[np.int64]
    trips: NDArray[np.int64]


def new_ladder(count: int) -> Ladder:
    """A ladder of as many temperatures, nothing counted yet."""
    return Ladder(np.arange(count), *np.zeros((5, count), np.int64))


@compiled
def count_moves(model: ChoiceModel) -> tuple[int, int, int]:
    """Single switches, joint switches and exchanges that a sweep offers to a replica."""
    bound, count = model.members.size - model.member_starts[model.inequalities], model.swappable.size
    pairs = (min(bound, model.firsts.size) + 1) // 2
    if count < 2:
        return model.switchable.size, pairs, 0
    # All pairs while they are few.
    return model.switchable.size, pairs, count * (count - 1) // 2 if count <= _ALL_PAIRS else count * _ALL_PAIRS // 2


@inner
def _draw_bound_pair(model: ChoiceModel, random: NDArray[np.uint64], stream: int) -> tuple[int, int]:
    """Two sites of one inequality; the second is -1 where it has only one."""
    bound = model.member_starts[model.inequalities]
    position = bound + below(random, stream, model.members.size - bound)
    low, high = model.inequalities, model.member_starts.size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if model.member_starts[middle] <= position:
            low = middle
        else:
            high = middle
    begin, count = model.member_starts[low], model.member_starts[low + 1] - model.member_starts[low]
    if count < 2:
        return model.members[position], -1
    other = begin + below(random, stream, count - 1)
    if other >= position:
        other += 1
    return model.members[position], model.members[other]


@inner
def _draw_swap_pair(model: ChoiceModel, random: NDArray[np.uint64], stream: int) -> tuple[int, int]:
    count = model.swappable.size
    one = below(random, stream, count)
    other = below(random, stream, count - 1)
    if other >= one:
        other += 1
    return model.swappable[one], model.swappable[other]


@inner
def sweep(model: ChoiceModel, replicas: Replicas, betas: NDArray[np.float64], workspace: Workspace) -> None:
    """Offer a sweep's moves to every replica at its own inverse temperature.

    The sites are the same for all replicas, so that rows and factors are fetched once for all of them.
    """
    stream = betas.size
    _, pairs, swaps = count_moves(model)
    for a in model.switchable:
        draw_option(model, replicas, a, betas, workspace)
    for _ in range(pairs):
        a, b = _draw_bound_pair(model, replicas.random, stream)
        if b >= 0:
            draw_pair(model, replicas, a, b, betas, workspace)
    for _ in range(swaps):
        a, b = _draw_swap_pair(model, replicas.random, stream)
        swap(model, replicas, a, b, betas, workspace)


@compiled
def temper(
    model: ChoiceModel,
    replicas: Replicas,
    ladder: Ladder,
    betas: NDArray[np.float64],
    first: int,
    energies: NDArray[np.float64],
    workspace: Workspace,
    exchanging: bool,
) -> None:
    """Sweeps, each followed by exchanges between neighbouring temperatures.

    Args:
        model: what is sampled.
        replicas: changed in place; sweep 0 sums up what is kept of them.
        ladder: changed in place.
        betas: [sweeps, replicas] inverse temperatures, coldest first.
        first: number of sweeps done before; cutting a run into calls does not change it.
        energies: [sweeps, replicas] at each temperature, written.
        workspace: for as many replicas.
        exchanging: otherwise there are no exchanges, and a sweep that makes no move is the last.
    """
    count = betas.shape[1]
    own = np.empty(count)
    for step in range(betas.shape[0]):
        if (first + step) % SWEEPS_BETWEEN_SUMS == 0:
            resum(model, replicas)
        for t in range(count):
            own[ladder.at[t]] = betas[step, t]
        workspace.made[:] = 0
        sweep(model, replicas, own, workspace)
        for t in range(count):
            energies[step, t] = replicas.energies[ladder.at[t]]
            ladder.moves[t] += workspace.made[ladder.at[t]]
        if not exchanging:
            if workspace.made.sum() == 0:
                break
            continue
        for t in range((first + step) % 2, count - 1, 2):
            cold, hot = ladder.at[t], ladder.at[t + 1]
            gain = (betas[step, t] - betas[step, t + 1]) * (replicas.energies[cold] - replicas.energies[hot])
            ladder.offered[t] += 1
            if gain >= 0.0 or uniform(replicas.random, count + 1) < math.exp(gain):
                ladder.at[t], ladder.at[t + 1] = hot, cold
                ladder.exchanged[t] += 1
        for end, t in ((1, 0), (-1, count - 1)):
            r = ladder.at[t]
            if ladder.heading[r] == -end:
                ladder.trips[r] += 1
            ladder.heading[r] = end


@compiled
def sample_changes(model: ChoiceModel, replicas: Replicas, changes: NDArray[np.float64], workspace: Workspace) -> float:
    """Changes of the energy by random moves, none of which is made.

    Args:
        model: see there.
        replicas: in states within the constraints; all that is kept of them is valid.
        changes: [replicas, moves] written; NaN where a move would leave the constraints.
        workspace: for as many replicas.

    Returns:
        How many different moves a sweep chooses from, for each that was tried.
    """
    count = replicas.energies.size
    _, pairs, swaps = count_moves(model)
    options = 0.0
    for a in model.switchable:
        options += model.sizes[a] - 1
    joint = 0.0
    if pairs:
        mean = 0.0
        bound = model.members[model.member_starts[model.inequalities] :]
        for a in bound:
            mean += min(model.sizes[a], MOST_OPTIONS) / bound.size
        joint = pairs * (mean * mean - 1.0)
    total = options + joint + swaps
    changes[:] = np.nan
    for m in range(changes.shape[1]):
        kind = uniform(replicas.random, count) * total
        if kind < options:
            _change_by_switch(model, replicas, changes[:, m], workspace)
        elif kind < options + joint:
            _change_by_both(model, replicas, changes[:, m], workspace)
        elif swaps:
            a, b = _draw_swap_pair(model, replicas.random, count)
            for r in range(count):
                i, _, delta, _ = propose_swap(model, replicas, r, a, b, workspace)
                if i >= 0:
                    changes[r, m] = delta
    return float(total / max(changes.shape[1], 1))


@inner
def _change_by_switch(
    model: ChoiceModel, replicas: Replicas, changes: NDArray[np.float64], workspace: Workspace
) -> None:
    count = replicas.energies.size
    site = model.switchable[below(replicas.random, count, model.switchable.size)]
    option_energies(model, replicas, site, workspace.lanes, workspace.here)
    for r in range(count):
        now = replicas.choices[r, site]
        forbid_options(model, replicas.sums[r], site, now, workspace.here[r], workspace.saved)
        to = below(replicas.random, r, model.sizes[site])
        if to != now and workspace.here[r, to] < math.inf:
            changes[r] = workspace.here[r, to] - workspace.here[r, now]


@inner
def _change_by_both(model: ChoiceModel, replicas: Replicas, changes: NDArray[np.float64], workspace: Workspace) -> None:
    count = replicas.energies.size
    a, b = _draw_bound_pair(model, replicas.random, count)
    if b < 0:
        return
    option_energies(model, replicas, a, workspace.lanes, workspace.here)
    option_energies(model, replicas, b, workspace.lanes, workspace.there)
    pair_block(model, a, b, workspace.block)
    here, there, block = workspace.here, workspace.there, workspace.block
    for r in range(count):
        now_a, now_b = replicas.choices[r, a], replicas.choices[r, b]
        i, j = below(replicas.random, r, model.sizes[a]), below(replicas.random, r, model.sizes[b])
        if (i != now_a or j != now_b) and pair_is_allowed(
            model, replicas.sums[r], a, i, b, j, (now_a, now_b), workspace
        ):
            changes[r] = here[r, i] - here[r, now_a] + there[r, j] - there[r, now_b]
            changes[r] += block[now_a, now_b] - block[i, now_b] - block[now_a, j] + block[i, j]


def quench(model: ChoiceModel, replicas: Replicas, coldest: float, sweeps: int, workspace: Workspace) -> None:
    """Sweep all replicas far below the coldest temperature until a sweep makes no move, `sweeps` times at most."""
    count = len(replicas.energies)
    betas = np.full((sweeps, count), _FROZEN / coldest)
    temper(model, replicas, new_ladder(count), betas, 0, np.empty_like(betas), workspace, False)

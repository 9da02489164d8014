"""Sweeps over all sites with exchanges of temperatures, in one kernel; `sweeps` says what for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.energies import Mode, Workspace
from qubo_backends._pt.choices.heat_bath import draw_option, draw_pair
from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.replicas import Replicas, resum
from qubo_backends._pt.choices.swap_moves import swap
from qubo_backends._pt.ladder import Ladder, exchange
from qubo_backends._pt.random import below
from qubo_backends._shared.jit import inner, kernel

# Rounding errors of what is kept incrementally grow with the square root of the moves.
SWEEPS_BETWEEN_SUMS = 64
# Pairs that a quench looks at, all of them, before it ends.
_MOST_PAIRS = 50_000


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
def _count_bound_pairs(model: ChoiceModel) -> int:
    """Pairs of sites in an inequality, over all inequalities."""
    total = 0
    for c in range(model.inequalities, model.member_starts.size - 1):
        count = model.member_starts[c + 1] - model.member_starts[c]
        total += count * (count - 1) // 2
    return total


@inner
def _next_bound_pair(model: ChoiceModel, at: tuple[int, int, int]) -> tuple[int, int, int]:
    """The next constraint and pair of places in `model.members`, over all pairs of all inequalities.

    The last one is followed by a constraint that does not exist.
    """
    c, one, other = at[0], at[1], at[2] + 1
    while other >= model.member_starts[c + 1]:
        one += 1
        other = one + 1
        if other >= model.member_starts[c + 1]:
            c += 1
            if c + 1 >= model.member_starts.size:
                break
            one = model.member_starts[c]
            other = one + 1
    return c, one, other


@inner
def _draw_swap_pair(model: ChoiceModel, random: NDArray[np.uint64], stream: int) -> tuple[int, int]:
    count = model.swappable.size
    one = below(random, stream, count)
    other = below(random, stream, count - 1)
    if other >= one:
        other += 1
    return model.swappable[one], model.swappable[other]


@kernel
def temper(
    model: ChoiceModel,
    replicas: Replicas,
    ladder: Ladder,
    first: int,
    energies: NDArray[np.float64],
    workspace: Workspace,
    mode: Mode,
    trials: tuple[int, int, int],
    changes: NDArray[np.float64],
) -> None:
    """Run sweeps, each followed by exchanges between neighbouring temperatures; or sum up, and try moves.

    All of this is one kernel, because the moves in it take most of the time to compile. The sites of a move are the
    same for all replicas, so that rows and factors are fetched once for all of them.

    Args:
        model: to be sampled.
        replicas: changed in place; sweep 0 sums up what is kept of them.
        ladder: changed in place; its energies are those of the replicas.
        first: number of sweeps done before; cutting a run into calls does not change it.
        energies: [sweeps, replicas] at each temperature, written.
        workspace: for as many replicas.
        mode: see there.
        trials: without sweeps, single draws, joint draws and swaps at random sites to try; none is made.
        changes: [replicas, sum of trials] of the energy by each, written; infinite where a move is not possible.
    """
    count, stream = ladder.betas.size, ladder.betas.size
    if energies.shape[0] == 0:
        resum(model, replicas, workspace.projection)
    # Trials are sweeps of one move each, so that every kind of move is compiled in one place only.
    singles, joint, _ = trials
    all_pairs = 0
    if workspace.pairs is not None:
        all_pairs = _count_bound_pairs(model)
    thorough = False
    for step in range(energies.shape[0] + changes.shape[1]):
        trial = changes.shape[1] > 0
        if not trial and (first + step) % SWEEPS_BETWEEN_SUMS == 0:
            resum(model, replicas, workspace.projection)
        for t in range(count):
            workspace.betas[ladder.at[t]] = ladder.betas[t]
            workspace.made[t] = 0
            workspace.changes[t] = np.inf
        if workspace.draws is not None:
            for k in range(int(step < singles) if trial else workspace.draws):
                a = model.switchable[below(replicas.random, stream, workspace.draws) if trial else k]
                draw_option(model, replicas, a, workspace, mode, trial)
        if workspace.pairs is not None:
            pairs = 0 if mode.priced else (all_pairs if thorough else workspace.pairs)
            place = model.inequalities, model.member_starts[model.inequalities], model.member_starts[model.inequalities]
            for _ in range(int(singles <= step < singles + joint) if trial else pairs):
                if thorough:
                    place = _next_bound_pair(model, place)
                    a, b = model.members[place[1]], model.members[place[2]]
                else:
                    a, b = _draw_bound_pair(model, replicas.random, stream)
                if b >= 0:
                    draw_pair(model, replicas, a, b, workspace, trial)
        if workspace.swaps is not None:
            swaps = 0 if mode.priced else workspace.swaps
            for _ in range(int(step >= singles + joint) if trial else swaps):
                a, b = _draw_swap_pair(model, replicas.random, stream)
                swap(model, replicas, a, b, workspace, trial)
        if trial:
            for r in range(count):
                changes[r, step] = workspace.changes[r]
            continue
        total = 0
        for t in range(count):
            r = ladder.at[t]
            energies[step, t] = replicas.energies[r]
            replicas.moves[t] += workspace.made[r]
            total += workspace.made[r]
        if mode.exchanging:
            exchange(ladder, first + step)
        elif total == 0 and (thorough or not mode.thorough or not 0 < all_pairs <= _MOST_PAIRS):
            break
        else:
            thorough = total == 0

"""Sweeps over all sites, quenches, and samples of what moves would change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.energies import (
    AT_PRICES,
    MOST_OPTIONS,
    QUENCHING,
    TEMPERING,
    THOROUGH,
    Mode,
    Workspace,
)
from qubo_backends._pt.choices.heat_bath import draw_option, draw_pair
from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.replicas import Replicas, resum
from qubo_backends._pt.choices.swap_moves import swap
from qubo_backends._pt.ladder import Ladder, exchange, new_ladder
from qubo_backends._pt.random import below
from qubo_backends._shared.jit import inner, kernel

# Rounding errors of what is kept incrementally grow with the square root of the moves.
SWEEPS_BETWEEN_SUMS = 64
# Of a quench, so many times the coldest inverse temperature.
FROZEN = 1e6
_NO_TRIALS = 0, 0, 0
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


def run_sweeps(
    model: ChoiceModel,
    replicas: Replicas,
    ladder: Ladder,
    first: int,
    energies: NDArray[np.float64],
    workspace: Workspace,
) -> None:
    """Run sweeps with exchanges, one for each row of `energies`; see `temper` for the arguments."""
    temper(model, replicas, ladder, first, energies, workspace, TEMPERING, _NO_TRIALS, np.empty((len(ladder.at), 0)))


def ladder_of(replicas: Replicas, betas: NDArray[np.float64], rng: np.random.Generator) -> Ladder:
    """A ladder of these replicas, whose energies it shares."""
    return new_ladder(betas, rng.integers(0, 2**64, size=1, dtype=np.uint64), replicas.energies)


def quench(
    model: ChoiceModel, replicas: Replicas, coldest: float, sweeps: int, workspace: Workspace, *, thorough: bool = True
) -> None:
    """Sweep all replicas far below the coldest temperature until a sweep makes no move, `sweeps` times at most.

    Args:
        model: see there.
        replicas: changed in place.
        coldest: temperature.
        sweeps: see above.
        workspace: for as many replicas.
        thorough: end only where all pairs of sites in an inequality, if these are few, bring nothing either.
    """
    count = len(replicas.energies)
    assert count == len(workspace.lanes)
    ladder = new_ladder(np.full(count, FROZEN / coldest), np.zeros(1, np.uint64), replicas.energies)
    energies, changes = np.empty((sweeps, count)), np.empty((count, 0))
    temper(model, replicas, ladder, 0, energies, workspace, THOROUGH if thorough else QUENCHING, _NO_TRIALS, changes)


def sweep_at_prices(model: ChoiceModel, replicas: Replicas, beta: float, workspace: Workspace, mode: Mode) -> None:
    """Sweep all replicas once at `workspace.prices`; energies are to be summed up."""
    count = len(replicas.energies)
    assert count == len(workspace.lanes)
    ladder = new_ladder(np.full(count, beta), np.zeros(1, np.uint64), replicas.energies)
    # As sweep 1: sweep 0 sums up.
    temper(model, replicas, ladder, 1, np.empty((1, count)), workspace, mode, _NO_TRIALS, np.empty((count, 0)))


def sample_free_changes(
    model: ChoiceModel, replicas: Replicas, tried: int, workspace: Workspace
) -> NDArray[np.float64]:
    """[replicas, tried] changes of the energy by random options of random sites, whether within constraints or not."""
    count = len(replicas.energies)
    workspace.prices[:] = 0.0
    ladder = new_ladder(np.ones(count), np.zeros(1, np.uint64), replicas.energies)
    changes = np.empty((count, tried))
    temper(model, replicas, ladder, 0, np.empty((0, count)), workspace, AT_PRICES, (tried, 0, 0), changes)
    return changes


def sum_up(model: ChoiceModel, replicas: Replicas, workspace: Workspace) -> None:
    """Compute from their states what is kept of replicas, in double precision."""
    _try_moves(model, replicas, workspace, _NO_TRIALS)


def sample_changes(
    model: ChoiceModel, replicas: Replicas, tried: int, workspace: Workspace
) -> tuple[NDArray[np.float64], float]:
    """Changes of the energy by random moves, none of which is made.

    Args:
        model: see there.
        replicas: in states within the constraints.
        tried: about as many moves.
        workspace: for as many replicas.

    Returns:
        [replicas, moves] changes, infinite where a move would leave the constraints; and the number of different moves
        that a sweep chooses from, for each that was tried.
    """
    _, pairs, swaps = workspace.moves
    options = float((model.sizes[model.switchable] - 1).sum())
    bound = model.sizes[model.members[model.member_starts[model.inequalities] :]]
    joint = pairs * (float(np.minimum(bound, MOST_OPTIONS).mean()) ** 2 - 1.0) if pairs else 0.0
    kinds = np.array([options, joint, float(swaps)])
    counts = np.ceil(tried * kinds / max(kinds.sum(), 1.0)).astype(int)
    changes = _try_moves(model, replicas, workspace, (int(counts[0]), int(counts[1]), int(counts[2])))
    return changes, float(kinds.sum()) / max(changes.shape[1], 1)


def _try_moves(
    model: ChoiceModel, replicas: Replicas, workspace: Workspace, trials: tuple[int, int, int]
) -> NDArray[np.float64]:
    """Sum up, and try as many moves of each kind."""
    count = len(replicas.energies)
    changes = np.empty((count, sum(trials)))
    ladder = new_ladder(np.ones(count), np.zeros(1, np.uint64), replicas.energies)
    temper(model, replicas, ladder, 0, np.empty((0, count)), workspace, QUENCHING, trials, changes)
    return changes

"""Sweeps over all sites, quenches, and samples of what moves would change."""

from __future__ import annotations

from collections.abc import Callable

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
from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.replicas import Replicas, replicas_of
from qubo_backends._pt.choices.tempering import temper
from qubo_backends._pt.ladder import Ladder, new_ladder

# From so many variables on, a sweep takes long enough that a quench asks after each whether to end.
_LARGE = 100_000
# Of a quench, most sweeps, and so many times the coldest inverse temperature.
PASSES, FROZEN = 16, 1e6
_NO_TRIALS = 0, 0, 0


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
    model: ChoiceModel,
    replicas: Replicas,
    coldest: float,
    sweeps: int,
    workspace: Workspace,
    *,
    thorough: bool = True,
    over: Callable[[], bool] = lambda: False,
) -> None:
    """Sweep all replicas far below the coldest temperature until a sweep makes no move, `sweeps` times at most.

    Args:
        model: see there.
        replicas: changed in place.
        coldest: temperature.
        sweeps: see above.
        workspace: for as many replicas.
        thorough: end only where all pairs of sites in an inequality, if these are few, bring nothing either.
        over: True ends the quench of a large model after a sweep.
    """
    count = len(replicas.energies)
    assert count == len(workspace.lanes)
    ladder = new_ladder(np.full(count, FROZEN / coldest), np.zeros(1, np.uint64), replicas.energies)
    energies, changes = np.empty((sweeps, count)), np.empty((count, 0))
    mode, step = THOROUGH if thorough else QUENCHING, 1 if len(model.linear) >= _LARGE else sweeps
    for first in range(0, sweeps, step):
        before = replicas.moves.sum()
        temper(model, replicas, ladder, first, energies[first : first + step], workspace, mode, _NO_TRIALS, changes)
        if replicas.moves.sum() == before or over():
            break


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


def summed_up(
    model: ChoiceModel, choices: NDArray[np.int32], rng: np.random.Generator, workspace: Workspace
) -> Replicas:
    """Replicas in states [k, sites], with their exact energies and left sides; see `replicas_of` for `rng`."""
    replicas = replicas_of(model, choices, rng)
    sum_up(model, replicas, workspace)
    return replicas


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

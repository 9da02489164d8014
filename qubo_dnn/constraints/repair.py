"""Repair of samples that break constraints, and local improvement of the result.

Backends without native constraints return samples that break a group or exceed a budget slightly. The repair is greedy.
First it makes the moves with the least increase of the objective per removed violation. Then, within all constraints,
it makes the moves that lower the objective most per used part of the constraints, and, where that is asked for, pairs
of moves by which one site gives what another takes, or what several others take. If several constraints block each
other so that no move helps, a short tabu search escapes.

Source: Glover 1986, "Future paths for integer programming and links to artificial intelligence" (tabu search).
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.local_search import Floats, LocalState

if TYPE_CHECKING:
    from scipy import sparse

# Number of moves of the tabu search, and the longest tenure of a moved group or free variable.
_ESCAPES, _TENURE = 100, 10
# Moves on either side of a pair, all of which are evaluated at once; the largest number of pairs made.
_CANDIDATES, _EXCHANGES = 400, 200
# Moves of either kind after which others are made to fit.
_FORCED = 12


def repair(state: LocalState, deadline: float = math.inf) -> None:
    """Make `state` feasible by greedy moves and a short tabu search, if possible, then improve its objective.

    States that differ mostly stay different ones, unlike those that `exchange` has improved.

    Args:
        state: changed in place; its violation never rises.
        deadline: `time.perf_counter()` at which the improvement ends.

    Example:
        >>> from qubo_dnn.local_search import LocalModel
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = LocalModel(get_formulation("knapsack")([4, 3, 2], [3, 2, 2], 4).compile())
        >>> repair(state := LocalState(knapsack, np.ones(3, np.int8)))
        >>> state.x.tolist(), state.violation
        ([1, 0, 0], 0.0)
    """
    restore(state)
    _improve(state, deadline)


def restore(state: LocalState) -> None:
    """Make `state` feasible by greedy moves and a short tabu search, if possible, and no better than that needs.

    Args:
        state: changed in place; its violation never rises.

    Example:
        >>> from qubo_dnn.local_search import LocalModel
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = LocalModel(get_formulation("knapsack")([4, 3, 2], [3, 2, 2], 4).compile())
        >>> restore(state := LocalState(knapsack, np.zeros(3, np.int8)))
        >>> state.x.tolist()
        [0, 0, 0]
    """
    _restore(state)
    # A single constraint does not block itself.
    if len(state.model.constraints) > 1 and state.violation > 0.0:
        _escape(state)
        _restore(state)


def exchange(state: LocalState, deadline: float = math.inf) -> None:
    """Improve the objective of a state by pairs of moves within all constraints, and by single ones between them.

    Args:
        state: changed in place; its violation never rises.
        deadline: `time.perf_counter()` at which the improvement ends.

    Example:
        >>> from qubo_dnn.local_search import LocalModel
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = LocalModel(get_formulation("knapsack")([4, 3, 2], [3, 2, 2], 4).compile())
        >>> exchange(state := LocalState(knapsack, np.array([1, 0, 0], np.int8)))
        >>> state.x.tolist()
        [0, 1, 1]
    """
    for _ in range(_EXCHANGES):
        if time.perf_counter() >= deadline:
            break
        if _exchange(state):
            _improve(state, deadline)
        elif not _force(state, deadline):
            break


def _after(state: LocalState, changes: Floats) -> Floats:
    """Return [n] violations after each move."""
    return state.model.violation(state.values[1:, None] + changes[1:])


def _used(state: LocalState, changes: Floats) -> Floats:
    """Return [n] shares >= 0 of the right sides that each move uses, summed over the constraints.

    An equality is used by what raises it, as "<=" is: a move that lowers it makes room for one that raises it.
    """
    total: Floats = np.zeros(changes.shape[1])
    for constraint, change in zip(state.model.constraints, changes[1:], strict=True):
        total += np.maximum(constraint.sign * change, 0.0) / max(1.0, abs(constraint.rhs))
    return total


def _restore(state: LocalState, resting: int = -1) -> None:
    """Make the moves with the least price per removed violation; none of the site `resting`."""
    while (now := state.violation) > 0.0:
        changes = state.changes()
        removed = np.where(state.model.site_of == resting, 0.0, now - _after(state, changes))
        helpful = np.flatnonzero(removed > 1e-12 * now)
        if not len(helpful):
            return
        cost, removed = changes[0, helpful], removed[helpful]
        # Moves that lower both come first, by the largest gain; then moves by the least price per removed violation.
        price = np.where(cost < 0.0, cost * removed, cost / removed)
        state.move(int(helpful[np.argmin(price)]))


def _escape(state: LocalState) -> None:
    """Repeat the move with the least resulting violation; end in the least violated state on the way."""
    site_of, sites = state.model.site_of, len(state.model.sites.starts) - 1
    tenure = min(_TENURE, sites // 2)
    resting_until = np.zeros(sites, np.intp)
    least, nearest = state.violation, state.x.copy()
    for step in range(_ESCAPES):
        changes = state.changes()
        no_move = (state.chosen >= 0) & (state.x == 1)
        candidates = np.flatnonzero((resting_until[site_of] <= step) & ~no_move)
        if least == 0.0 or not len(candidates):
            break
        after = _after(state, changes[:, candidates])
        best = candidates[after == after.min()]
        move = int(best[np.argmin(changes[0, best])])
        state.move(move)
        resting_until[site_of[move]] = step + 1 + tenure
        if state.violation < least:
            least, nearest = state.violation, state.x.copy()
    state.go_to(nearest)


def _improve(state: LocalState, deadline: float, resting: int = -1) -> None:
    """Make the moves within all constraints that lower the objective most per used part; none of the site `resting`."""
    now = state.violation
    while time.perf_counter() < deadline:
        changes = state.changes()
        moving = state.model.site_of != resting
        gaining = np.flatnonzero((changes[0] < -state.model.forms[0].rounding) & moving)
        allowed = gaining[_after(state, changes[:, gaining]) <= now]
        if not len(allowed):
            return
        used = _used(state, changes[:, allowed])
        free = allowed[used == 0.0]
        if len(free):
            state.move(int(free[np.argmin(changes[0, free])]))
        else:
            state.move(int(allowed[np.argmin(changes[0, allowed] / used)]))


def _exchange(state: LocalState) -> bool:
    """Make the best improving pair of moves of two sites within all constraints; return whether one exists.

    One site gives what another takes. Of many moves, those that lower the objective most per used part of the
    constraints are paired with those that raise it least per part that they free.
    """
    model = state.model
    changes = state.changes()
    moves = np.flatnonzero((state.chosen < 0) | (state.x == 0))
    if not model.constraints or len(moves) < 2:
        return False
    takers = givers = moves
    if len(moves) > _CANDIDATES:
        takers = _best(moves, changes[0], _used(state, changes))
        givers = _best(moves, changes[0], _used(state, -changes))
    pairs = changes[:, takers, None] + changes[:, None, givers]
    steps, others = _steps(state, takers), _steps(state, givers)
    for form, sums in zip(model.forms, pairs, strict=True):
        # Both moves together, beyond the sum of both alone.
        sums += (steps @ form.couplings @ others.T).toarray()
    pairs[0][model.site_of[takers][:, None] == model.site_of[givers]] = np.inf
    pairs = pairs.reshape(len(model.forms), -1)
    gaining = np.flatnonzero(pairs[0] < -model.forms[0].rounding)
    allowed = gaining[_after(state, pairs[:, gaining]) <= state.violation]
    if not len(allowed):
        return False
    one, other = np.unravel_index(allowed[np.argmin(pairs[0, allowed])], (len(takers), len(givers)))
    state.move(int(takers[one]))
    state.move(int(givers[other]))
    return True


def _force(state: LocalState, deadline: float) -> bool:
    """Make a move that several others can make up for, if that lowers the objective; return whether there is one.

    Either a site takes what several have to give, or it gives what several take.
    """
    if not state.model.constraints:
        return False
    changes, start = state.changes(), state.x.copy()
    violation, goal = state.violation, state.values[0] - state.model.forms[0].rounding
    moves = np.flatnonzero((state.chosen < 0) | (state.x == 0))
    takers, givers = (_best(moves, changes[0], _used(state, sign * changes)) for sign in (1.0, -1.0))
    for move in [*takers[:_FORCED], *givers[:_FORCED]]:
        if time.perf_counter() >= deadline:
            return False
        state.move(int(move))
        site = int(state.model.site_of[move])
        _restore(state, site)
        _improve(state, deadline, site)
        if state.violation <= violation and state.values[0] < goal:
            return True
        state.go_to(start)
    return False


def _best(moves: NDArray[np.intp], cost: Floats, parts: Floats) -> NDArray[np.intp]:
    """Return the moves with the least cost per part of the constraints, of those that have one in them."""
    useful = moves[parts[moves] > 0.0]
    return useful[np.argsort(cost[useful] / parts[useful], kind="stable")[:_CANDIDATES]]


def _steps(state: LocalState, moves: NDArray[np.intp]) -> sparse.csr_matrix:
    """Return [moves, n] what moves add to the state: 1 where a variable becomes 1, and -1 where it becomes 0."""
    # Imported here because scipy is slow to import.
    from scipy import sparse

    places = np.arange(len(moves))
    grouped = np.flatnonzero(state.chosen[moves] >= 0)
    signs = np.concatenate([1.0 - 2.0 * state.x[moves], np.full(len(grouped), -1.0)])
    rows = np.concatenate([places, grouped])
    columns = np.concatenate([moves, state.chosen[moves[grouped]]])
    return sparse.csr_matrix((signs, (rows, columns)), shape=(len(moves), len(state.x)))

"""Repair of samples that break constraints, and local improvement of the result.

Backends without native constraints return samples that break a group or exceed a budget slightly. The repair is greedy.
First it makes the moves with the least increase of the objective per removed violation. Then, within all constraints,
it makes the moves that lower the objective most per used part of the constraints, and exchanges a chosen free variable
for another. If several constraints block each other so that no move helps, a short tabu search escapes.

Source: Glover 1986, "Future paths for integer programming and links to artificial intelligence" (tabu search).
"""

from __future__ import annotations

import math
import time

import numpy as np

from qubo_dnn.local_search import Floats, LocalState

# Number of moves of the tabu search, and the longest tenure of a moved group or free variable.
_ESCAPES, _TENURE = 100, 10
# All exchanges are evaluated at once; the search skips them if there are more than this.
_EXCHANGES = 1_000_000


def repair(state: LocalState, deadline: float = math.inf) -> None:
    """Make `state` feasible by greedy moves and a short tabu search, if possible, then improve its objective.

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
    _restore(state)
    # A single constraint does not block itself.
    if len(state.model.constraints) > 1 and state.violation > 0.0:
        _escape(state)
        _restore(state)
    _improve(state, deadline)
    while time.perf_counter() < deadline and _exchange(state):
        _improve(state, deadline)


def _after(state: LocalState, changes: Floats) -> Floats:
    """Return [n] violations after each move."""
    return state.model.violation(state.values[1:, None] + changes[1:])


def _used(state: LocalState, changes: Floats) -> Floats:
    """Return [n] shares >= 0 of the right sides that each move uses, summed over the inequalities."""
    total: Floats = np.zeros(changes.shape[1])
    for constraint, change in zip(state.model.constraints, changes[1:], strict=True):
        towards = {"<=": change, ">=": -change, "==": np.zeros_like(change)}[constraint.sense]
        total += np.maximum(towards, 0.0) / max(1.0, abs(constraint.rhs))
    return total


def _restore(state: LocalState) -> None:
    while (now := state.violation) > 0.0:
        changes = state.changes()
        removed = now - _after(state, changes)
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


def _improve(state: LocalState, deadline: float) -> None:
    now = state.violation
    while time.perf_counter() < deadline:
        changes = state.changes()
        gaining = np.flatnonzero(changes[0] < -state.model.forms[0].rounding)
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
    """Make the best improving exchange of free variables within all constraints; return whether one exists."""
    model = state.model
    chosen = model.free[state.x[model.free] == 1]
    others = model.free[state.x[model.free] == 0]
    if not model.constraints or not 0 < len(chosen) * len(others) <= _EXCHANGES:
        return False
    # One variable becomes 0 and one 1, so their coupling is subtracted from the sum of both changes.
    changes = np.array(
        [
            fields[others] - fields[chosen, None] - form.couplings[chosen][:, others].toarray()
            for form, fields in zip(model.forms, state.fields, strict=True)
        ]
    ).reshape(len(model.forms), -1)
    gaining = np.flatnonzero(changes[0] < -model.forms[0].rounding)
    allowed = gaining[_after(state, changes[:, gaining]) <= state.violation]
    if not len(allowed):
        return False
    out, into = np.unravel_index(allowed[np.argmin(changes[0, allowed])], (len(chosen), len(others)))
    state.move(int(chosen[out]))
    state.move(int(others[into]))
    return True

"""From a sample that breaks constraints to a feasible one nearby, and from there downhill.

Backends without native constraints return samples that miss a group here or a budget by a little. The
repair is greedy: the move with the least increase of the objective per violation removed, then moves that
lower the objective and keep all constraints.
"""

from __future__ import annotations

import numpy as np

from qubo_dnn.constraints.local import Floats, LocalState


def repair(state: LocalState) -> None:
    """Make `state` feasible if greedy moves can, then improve it among feasible states."""
    _restore(state)
    _improve(state)


def violation(state: LocalState) -> float:
    """Sum over the constraints of excess, each as a share of its right side; 0.0 when all hold."""
    return float(_violations(state, state.values[1:, None])[0])


def _violations(state: LocalState, activities: Floats) -> Floats:
    shares = state.model.excess(activities) / np.maximum(1.0, np.abs(state.model.rhs))[:, None]
    total: Floats = shares.sum(axis=0)
    return total


def _objective_changes(state: LocalState) -> Floats:
    return state.changes(np.eye(len(state.fields))[0])


def _after(state: LocalState) -> Floats:
    """Violation after each move; [n]."""
    return _violations(state, state.values[1:, None] + state.activity_changes())


def _restore(state: LocalState) -> None:
    now = violation(state)
    while now > 0.0:
        removed = now - _after(state)
        helpful = np.flatnonzero(removed > 1e-12 * now)
        if not len(helpful):
            return
        cost = _objective_changes(state)[helpful]
        # Moves that lower both go first, the largest gain ahead; then the least price per violation removed.
        price = np.where(cost < 0.0, cost * removed[helpful], cost / removed[helpful])
        state.move(int(helpful[np.argmin(price)]))
        now = violation(state)


def _improve(state: LocalState) -> None:
    now = violation(state)
    least = 1e-12 * max(1e-300, float(np.abs(state.model.forms[0].linear).max(initial=0.0)))
    while True:
        cost = _objective_changes(state)
        gaining = np.flatnonzero(cost < -least)
        if not len(gaining):
            return
        allowed = gaining[_after(state)[gaining] <= now]
        if not len(allowed):
            return
        state.move(int(allowed[np.argmin(cost[allowed])]))

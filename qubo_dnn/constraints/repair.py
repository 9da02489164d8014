"""From a sample that breaks constraints to a feasible one nearby, and from there downhill.

Backends without native constraints return samples that miss a group here or a budget by a little. The
repair is greedy: the move with the least increase of the objective per violation removed, then, within all
constraints, the move that lowers the objective most for what it uses up of them.
"""

from __future__ import annotations

import numpy as np

from qubo_dnn.constraints.local import Floats, LocalState


def repair(state: LocalState) -> None:
    """Make `state` feasible if greedy moves can, then improve it among feasible states."""
    _restore(state)
    _improve(state)


def _after(state: LocalState, changes: Floats) -> Floats:
    """Violation after each move; [n]."""
    return state.model.violation(state.values[1:, None] + changes[1:])


def _used(state: LocalState, changes: Floats) -> Floats:
    """Share of the right sides that each move uses up, summed over the inequalities; [n], >= 0."""
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
        # Moves that lower both go first, the largest gain ahead; then the least price per violation removed.
        price = np.where(cost < 0.0, cost * removed, cost / removed)
        state.move(int(helpful[np.argmin(price)]))


def _improve(state: LocalState) -> None:
    now = state.violation
    while True:
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

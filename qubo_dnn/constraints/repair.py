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


def _after(state: LocalState, changes: Floats) -> Floats:
    """Violation after each move; [n]."""
    return state.model.violation(state.values[1:, None] + changes[1:])


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
        state.move(int(allowed[np.argmin(changes[0, allowed])]))

"""Penalty weights of one-hot groups for backends that only know a BQM."""

from __future__ import annotations

import numpy as np

from qubo_dnn.constraints.local import Floats, LocalState

MARGIN = 1.5


def one_hot_penalties(state: LocalState, weights: Floats) -> list[float]:
    """A start value for every group's weight: what breaking the group could gain near `state`.

    At weight P, choosing no option costs P and so does a second one, hence P has to exceed the gain of
    either. The provable bound adds up |coupling| over all states and is orders of magnitude too stiff for
    thousands of dense variables; this one is local to a good state, and groups that a backend still breaks
    are raised round by round (see `qubo_dnn.constraints.relaxation`).

    Args:
        state: a low-energy state of the relaxed problem.
        weights: of the objective and of every constraint's left side in the relaxed objective.

    Returns:
        Weights > 0 in the unit of the objective, one for every group.
    """
    fields = np.tensordot(weights, state.fields, axes=1)
    least = 1e-3 * float(np.abs(fields).max(initial=0.0)) or 1.0
    penalties = []
    for group in state.model.groups:
        chosen = int(state.chosen[group[0]])
        second = -fields[group[group != chosen]]
        penalties.append(MARGIN * max(float(fields[chosen]), float(second.max(initial=0.0)), least))
    return penalties

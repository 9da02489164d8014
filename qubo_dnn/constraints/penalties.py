"""Penalty weights of one-hot groups for backends that only know a BQM."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.constraints.local import Bits, Floats, LocalState

MARGIN = 1.5


def one_hot_penalties(state: LocalState, weights: Floats) -> list[float]:
    """A start value for every group's weight: what breaking the group could gain near `state`.

    At weight P, choosing no option costs P and so does a second one, hence P has to exceed the gain of
    either. The provable bound adds up |coupling| over all states and is orders of magnitude too stiff for
    thousands of dense variables; this one is local to a good state, and where a backend still breaks a group
    the weight is raised by what that gained it (`gain_of_breaking`).

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


def gain_of_breaking(fields: Floats, group: NDArray[np.intp], x: Bits) -> float:
    """The penalty weight beyond which mending a broken group pays in a state.

    Args:
        fields: [n] change of the relaxed objective when each variable goes from 0 to 1, the others as in `x`.
        group: indices of its variables.
        x: [n] a state with no option of the group chosen, or with several.

    Returns:
        Weight in the unit of the objective; <= 0 where mending pays without any.
    """
    chosen = group[x[group] == 1]
    if not len(chosen):
        return float(fields[group].min())
    # Dropping one of m options lowers the penalty from (m - 1)^2 to (m - 2)^2 weights.
    return float(-fields[chosen].max()) / (2 * len(chosen) - 3)

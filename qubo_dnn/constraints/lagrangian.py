"""Inequalities as linear terms: one multiplier each, and that of a single inequality by bisection.

`min f(x) s.t. g(x) <= b` becomes `min f(x) + m g(x)`, which adds no interaction that f and g do not have.
Only states on the lower convex hull of (g, f) can be optimal for some m, so a little of the budget may stay
unused; the repair in `qubo_dnn.constraints.repair` spends it. Several inequalities at once are the matter of
`qubo_dnn.constraints.cutting_planes`.

Source: Everett 1963, "Generalized Lagrange multiplier method".
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

import numpy as np

from qubo_dnn.constraint import Constraint, Sense
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.local_search import Floats, LocalState, descend

# Steps until a bracket is found, its width in the end, and how far from the first value it is sought at most.
_GROWTH, _PRECISION, _REACH = 4.0, 1e-3, 1e8


def check_relaxable(constraints: Mapping[str, Constraint]) -> None:
    """Refuse what multipliers >= 0 cannot carry.

    Raises:
        UnsupportedProblemError: a constraint is an equality; the text names it.
    """
    for label, constraint in constraints.items():
        if constraint.sense == "==":
            raise UnsupportedProblemError(
                f"the Lagrangian relaxation takes inequalities, and the constraint {label!r} is an equality"
            )


class MultiplierSearch:
    """Brackets the multiplier at which minimisers just meet an inequality.

    Feeding back whether the minimiser found at `multiplier` (by anyone: local descent, a sampler, hardware)
    met the constraint moves `multiplier`; small values break the constraint and large ones waste it.

    Attributes:
        multiplier: what to try next, > 0.
    """

    def __init__(self, first: float, growth: float) -> None:
        self.multiplier = self._first = first
        self._growth = growth
        self._low, self._high = 0.0, math.inf

    @property
    def settled(self) -> bool:
        """Whether the bracket is as narrow as is useful, or out of reach."""
        narrow = self._high <= self._low * (1.0 + _PRECISION)
        return narrow or not self._first / _REACH <= self.multiplier <= self._first * _REACH

    def feedback(self, met: bool) -> None:
        """Tell whether the minimiser at `multiplier` met the constraint."""
        if met:
            self._high = self.multiplier
        else:
            self._low = self.multiplier
        if math.isinf(self._high):
            self.multiplier *= self._growth
        elif self._low == 0.0:
            self.multiplier /= self._growth
        else:
            self.multiplier = math.sqrt(self._low * self._high)


def weights(senses: Sequence[Sense], multipliers: Floats) -> Floats:
    """Weights of the objective and of every constraint's left side at multipliers >= 0; [1 + constraints]."""
    signs = np.array([-1.0 if sense == ">=" else 1.0 for sense in senses])
    return np.concatenate([[1.0], signs * multipliers])


def typical_price(state: LocalState, index: int) -> float:
    """|Change of the objective| per |change of constraint `index`|, median over all moves; > 0."""
    objective, constraint = np.abs(state.changes()[[0, index + 1]])
    moves = (objective > 0.0) & (constraint > 0.0)
    return float(np.median(objective[moves] / constraint[moves])) if moves.any() else 1.0


def bisect_locally(state: LocalState, deadline: float = math.inf) -> float:
    """The least multiplier found at which local descent meets the only constraint; `state` ends there.

    Args:
        state: where descent starts.
        deadline: `time.perf_counter()` after which no further descent begins; there is always one.

    Returns:
        0.0 where the constraint does not bind; a very large multiplier, with `state` still breaking the
        constraint, where descent never meets it.
    """
    senses = [constraint.sense for constraint in state.model.constraints]
    descend(state, weights(senses, np.zeros(1)))
    if state.violation == 0.0:
        return 0.0
    search = MultiplierSearch(typical_price(state, 0), _GROWTH)
    multiplier, met = search.multiplier, None
    while not search.settled and time.perf_counter() < deadline:
        multiplier = search.multiplier
        descend(state, weights(senses, np.array([multiplier])))
        if state.violation == 0.0:
            met = multiplier, state.x.copy()
        search.feedback(state.violation == 0.0)
    if met is None:
        return multiplier
    # Every multiplier that meets the constraint is less than the one before, so the last is the least.
    state.go_to(met[1])
    return met[0]

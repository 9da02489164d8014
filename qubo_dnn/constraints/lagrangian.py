"""Lagrangian relaxation: inequalities as linear terms with multipliers, and bisection for a single inequality.

`min f(x) s.t. g(x) <= b` becomes `min f(x) + m g(x)`, which has only the interactions of f and g. Only states on the
lower convex hull of (g, f) can be optimal for some m, so a small part of the budget may stay unused; the repair in
`qubo_dnn.constraints.repair` uses it. `qubo_dnn.constraints.cutting_planes` handles several inequalities.

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

# Growth factor until a bracket is found, its final relative width, and the largest factor from the first value.
_GROWTH, _PRECISION, _REACH = 4.0, 1e-3, 1e8


def check_relaxable(constraints: Mapping[str, Constraint]) -> None:
    """Refuse constraints other than inequalities, since multipliers are >= 0.

    Raises:
        UnsupportedProblemError: a constraint is an equality; the text names it.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> check_relaxable(knapsack.constraints)
    """
    for label, constraint in constraints.items():
        if constraint.sense == "==":
            raise UnsupportedProblemError(
                f"the Lagrangian relaxation takes inequalities, and the constraint {label!r} is an equality"
            )


class MultiplierSearch:
    """Bisection for the smallest multiplier at which minimisers meet an inequality.

    The caller minimises at `multiplier`, by local descent, a sampler or hardware, and reports in `feedback` whether the
    minimiser met the constraint. Small multipliers break it; large ones leave too much of it unused.

    Args:
        first: first multiplier, > 0.
        growth: factor between multipliers until the search has a bracket, > 1.

    Attributes:
        multiplier: next multiplier to try, > 0.

    Example:
        >>> search = MultiplierSearch(first=1.0, growth=4.0)
        >>> for met in (False, True):
        ...     search.feedback(met)
        >>> search.multiplier
        2.0
    """

    def __init__(self, first: float, growth: float) -> None:
        self.multiplier = self._first = first
        self._growth = growth
        self._low, self._high = 0.0, math.inf

    @property
    def settled(self) -> bool:
        """True if the bracket is narrow enough, or too far from the first multiplier."""
        narrow = self._high <= self._low * (1.0 + _PRECISION)
        return narrow or not self._first / _REACH <= self.multiplier <= self._first * _REACH

    def feedback(self, met: bool) -> None:
        """Report whether the minimiser at `multiplier` met the constraint."""
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
    """Return [1 + constraints] weights of the objective and of every left side at multipliers >= 0.

    Example:
        >>> weights(["<=", ">="], np.array([2.0, 3.0])).tolist()
        [1.0, 2.0, -3.0]
    """
    signs = np.array([-1.0 if sense == ">=" else 1.0 for sense in senses])
    return np.concatenate([[1.0], signs * multipliers])


def typical_price(state: LocalState, index: int) -> float:
    """Return the median over all moves of |change of the objective| / |change of constraint `index`|; > 0.

    Example:
        >>> from qubo_dnn.local_search import LocalModel
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> typical_price(LocalState(LocalModel(knapsack), np.zeros(3, np.int8)), 0)
        1.3333333333333333
    """
    objective, constraint = np.abs(state.changes()[[0, index + 1]])
    moves = (objective > 0.0) & (constraint > 0.0)
    return float(np.median(objective[moves] / constraint[moves])) if moves.any() else 1.0


def bisect_locally(state: LocalState, deadline: float = math.inf) -> float:
    """Search for the smallest multiplier at which local descent meets the only constraint; `state` ends there.

    Args:
        state: start of the descent; changed in place.
        deadline: `time.perf_counter()` after which no further descent begins. At least one takes place.

    Returns:
        The multiplier. 0.0 if the constraint does not bind. If descent never meets the constraint, a very large
        multiplier, and `state` still breaks the constraint.

    Example:
        >>> from qubo_dnn.local_search import LocalModel
        >>> from qubo_dnn.registry import get_formulation
        >>> model = LocalModel(get_formulation("knapsack")([4, 3, 2], [3, 2, 2], 4).compile())
        >>> round(bisect_locally(LocalState(model, np.zeros(3, np.int8))), 2)
        1.33
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
    # Multipliers that meet the constraint decrease, so the last one is the smallest.
    state.go_to(met[1])
    return met[0]

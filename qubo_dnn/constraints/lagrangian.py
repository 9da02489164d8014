"""A budget as a linear term: its multiplier, found by bisection.

`min f(x) s.t. g(x) <= b` becomes `min f(x) + m g(x)`, which adds no interaction that f and g do not have.
Only states on the lower convex hull of (g, f) can be optimal for some m, so a little of the budget may stay
unused; the repair in `qubo_dnn.constraints.repair` spends it.

Source: Everett 1963, "Generalized Lagrange multiplier method".
"""

from __future__ import annotations

import math

import numpy as np

from qubo_dnn.constraints.local import LocalState, descend
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.problem import Sense

_GROWTH, _STEPS, _PRECISION = 4.0, 60, 1e-3


def check_relaxable(senses: list[Sense]) -> None:
    """Refuse what one multiplier cannot carry.

    Raises:
        UnsupportedProblemError: more than one constraint, or an equality.
    """
    if len(senses) > 1:
        raise UnsupportedProblemError(f"the Lagrangian relaxation takes one constraint, the problem has {len(senses)}")
    if senses == ["=="]:
        raise UnsupportedProblemError("the Lagrangian relaxation takes an inequality, the problem has an equality")


class MultiplierSearch:
    """Brackets the multiplier at which minimisers just meet an inequality.

    Feeding back whether the minimiser found at `multiplier` (by anyone: local descent, a sampler, hardware)
    met the constraint moves `multiplier`; small values break the constraint and large ones waste it.

    Attributes:
        multiplier: what to try next, > 0.
    """

    def __init__(self, first: float, growth: float) -> None:
        self.multiplier = first
        self._growth = growth
        self._low, self._high = 0.0, math.inf

    @property
    def settled(self) -> bool:
        """Whether the bracket is as narrow as is useful."""
        return self._high <= self._low * (1.0 + _PRECISION)

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


def weights(sense: Sense, multiplier: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Weights of the objective and of the constraint's left side at a multiplier."""
    return np.array([1.0, -multiplier if sense == ">=" else multiplier])


def typical_price(state: LocalState) -> float:
    """|Change of the objective| per |change of the constraint|, median over all moves; > 0."""
    objective = np.abs(state.changes(np.eye(len(state.fields))[0]))
    constraint = np.abs(state.activity_changes()[0])
    moves = (objective > 0.0) & (constraint > 0.0)
    return float(np.median(objective[moves] / constraint[moves])) if moves.any() else 1.0


def bisect_locally(state: LocalState) -> float:
    """The multiplier at which local descent just meets the only constraint; `state` ends at a minimiser.

    Returns:
        0.0 where the constraint does not bind.
    """
    sense = state.model.senses[0]
    descend(state, weights(sense, 0.0))
    if not state.model.excess(state.values[1:]).any():
        return 0.0
    search = MultiplierSearch(typical_price(state), _GROWTH)
    for _ in range(_STEPS):
        descend(state, weights(sense, search.multiplier))
        search.feedback(not state.model.excess(state.values[1:]).any())
        if search.settled:
            break
    return search.multiplier

"""Multipliers of several inequalities by cutting planes, from the states so far.

At multipliers m >= 0, a state x with objective f and excesses h = g - b gives the upper bound f + m h on the minimum of
the relaxed problem. A small linear program maximises the least of these bounds over m. A new state at these
multipliers, from local descent, a sampler or hardware, either confirms the bound or cuts it. Bisection of one
multiplier after another would need ten times as many descents, and stalls if constraints conflict.

Source: Kelley 1960, "The cutting-plane method for solving convex programs".
"""

from __future__ import annotations

import math
import time
from typing import Self, cast

import numpy as np

from qubo_dnn.constraints.lagrangian import typical_price, weights
from qubo_dnn.local_search import Floats, LocalState, descend

# Largest multiplier in typical prices; largest number of descents; smallest relative cut of a bound.
_REACH, _DESCENTS, _PRECISION = 1e4, 40, 1e-6


class CuttingPlanes:
    """The best multipliers for the states so far.

    Args:
        state: state of a problem whose constraints are inequalities; it determines the scale of the multipliers.

    Attributes:
        multipliers: [constraints] next multipliers to try, >= 0.

    Example:
        >>> from qubo_dnn.local_search import LocalModel
        >>> from qubo_dnn.registry import get_formulation
        >>> model = LocalModel(get_formulation("knapsack")([4, 3, 2], [3, 2, 2], 4).compile())
        >>> CuttingPlanes.by_descent(LocalState(model, np.zeros(3, np.int8))).multipliers.round(3).tolist()
        [1.333]
    """

    def __init__(self, state: LocalState) -> None:
        constraints = state.model.constraints
        self.multipliers: Floats = np.zeros(len(constraints))
        self._senses = [constraint.sense for constraint in constraints]
        self._signs = weights(self._senses, np.ones(len(constraints)))[1:]
        self._rhs = np.array([constraint.rhs for constraint in constraints])
        self._prices = np.array([typical_price(state, index) for index in range(len(constraints))])
        self._bound = math.inf
        self._objectives: list[float] = []
        self._excesses: list[Floats] = []

    @classmethod
    def by_descent(cls, state: LocalState, deadline: float = math.inf) -> Self:
        """Add planes by local descent from `state` until it cuts no further; `state` ends at the last minimum.

        Args:
            state: start of the descent; changed in place.
            deadline: `time.perf_counter()` after which no further descent begins. At least one takes place.
        """
        planes = cls(state)
        for _ in range(_DESCENTS):
            descend(state, weights(planes._senses, planes.multipliers))
            if not planes.add(state.values):
                break
            if time.perf_counter() >= deadline:
                # With few states, the linear program proposes the largest multipliers only to explore them.
                planes.multipliers = np.minimum(planes.multipliers, planes._prices)
                break
        return planes

    def add(self, values: Floats) -> bool:
        """Add a state; return whether it cuts the bound at `multipliers`, which then change.

        Args:
            values: [1 + constraints] values of the objective and the left sides in the state.
        """
        objective, excess = float(values[0]), self._signs * (values[1:] - self._rhs)
        if objective + self.multipliers @ excess >= self._bound - _PRECISION * abs(self._bound):
            return False
        self._objectives.append(objective)
        self._excesses.append(excess)
        self._maximise()
        return True

    def _maximise(self) -> None:
        """Set the multipliers to the argmax over m of the minimum over all states of f + m h."""
        from scipy.optimize import linprog  # imported here because it is slow to import and rarely needed

        objectives, slopes = np.array(self._objectives), np.array(self._excesses) * self._prices
        # Scaled, since the tolerances of the linear program are absolute.
        base = float(objectives.min())
        unit = max(float((objectives - base).max()), float(np.abs(slopes).max())) or 1.0
        found = linprog(
            c=[-1.0, *[0.0] * len(self._prices)],
            A_ub=np.column_stack([np.ones(len(slopes)), -slopes / unit]),
            b_ub=(objectives - base) / unit,
            bounds=[(None, None), *[(0.0, _REACH)] * len(self._prices)],
        )
        # An optimum exists: multipliers of 0 are allowed, and all are bounded.
        self.multipliers = cast(Floats, found.x)[1:] * self._prices
        self._bound = float((objectives + self._excesses @ self.multipliers).min())

"""Multipliers of several inequalities at once, from the states seen so far.

At multipliers m >= 0, every state x with objective f and excesses h = g - b bounds the minimum of the relaxed
problem from above by f + m h. The multipliers that make the least of these bounds largest are a small linear
program; a state found at them by anyone (local descent, a sampler, hardware) either confirms the bound or cuts
it. Bisecting the multipliers in turns instead takes ten times as many descents, and stalls where one
constraint pulls against another.

Source: Kelley 1960, "The cutting-plane method for solving convex programs".
"""

from __future__ import annotations

import math
import time
from typing import Self, cast

import numpy as np

from qubo_dnn.constraints.lagrangian import typical_price, weights
from qubo_dnn.local_search import Floats, LocalState, descend

# Multipliers go up to this many typical prices; descents at most; and by which share of its size a bound is cut.
_REACH, _DESCENTS, _PRECISION = 1e4, 40, 1e-6


class CuttingPlanes:
    """The best multipliers for the states it was told.

    Args:
        state: of a problem whose constraints are inequalities; gives the scale of the multipliers.

    Attributes:
        multipliers: [constraints] >= 0, what to try next.
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
        """Planes that local descent from `state` cuts no further; `state` ends at the last minimum.

        Args:
            state: where descent starts.
            deadline: `time.perf_counter()` after which no further descent begins; there is always one.
        """
        planes = cls(state)
        for _ in range(_DESCENTS):
            descend(state, weights(planes._senses, planes.multipliers))
            if not planes.add(state.values):
                break
            if time.perf_counter() >= deadline:
                # After few states the program asks for the largest multipliers there may be, only to try them.
                planes.multipliers = np.minimum(planes.multipliers, planes._prices)
                break
        return planes

    def add(self, values: Floats) -> bool:
        """Learn of a state; whether it changed what is known at `multipliers`, and so the multipliers.

        Args:
            values: [1 + constraints] of its objective and its left sides.
        """
        objective, excess = float(values[0]), self._signs * (values[1:] - self._rhs)
        if objective + self.multipliers @ excess >= self._bound - _PRECISION * abs(self._bound):
            return False
        self._objectives.append(objective)
        self._excesses.append(excess)
        self._maximise()
        return True

    def _maximise(self) -> None:
        """Set the multipliers to `argmax over m of min over states of (f + m h)`."""
        from scipy.optimize import linprog  # it takes as long to import as dimod, and few problems come here

        objectives, slopes = np.array(self._objectives), np.array(self._excesses) * self._prices
        # In units of their own, since the tolerances of the linear program are absolute.
        base = float(objectives.min())
        unit = max(float((objectives - base).max()), float(np.abs(slopes).max())) or 1.0
        found = linprog(
            c=[-1.0, *[0.0] * len(self._prices)],
            A_ub=np.column_stack([np.ones(len(slopes)), -slopes / unit]),
            b_ub=(objectives - base) / unit,
            bounds=[(None, None), *[(0.0, _REACH)] * len(self._prices)],
        )
        # There is an optimum: multipliers of 0 are allowed, and all are bounded.
        self.multipliers = cast(Floats, found.x)[1:] * self._prices
        self._bound = float((objectives + self._excesses @ self.multipliers).min())

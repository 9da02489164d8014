"""Quadratic constraints as a part of the objective, at the prices that prove most.

No state that keeps `left(x) <= right` has less energy than the least of all states' `energy + price (left - right)`,
for any price of at least 0. That least energy is concave in the price, and its highest value the Lagrangian dual bound.

Source: Geoffrion 1974, "Lagrangean relaxation for integer programming".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

from qubo_dnn.backend import Capabilities
from qubo_dnn.bounds.site_model import TOLERANCE
from qubo_dnn.constraint import Constraint
from qubo_dnn.constraints.relaxation import RelaxedProblem
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.problem import Problem, weighted_sum

T = TypeVar("T")
# Prices are raised or lowered by this factor, so often at most.
_STEP, _MOST_STEPS = 1.15, 10


def local_prices(problem: Problem[Any], deadline: float) -> dict[str, float]:
    """Quadratic constraint -> price > 0 at which local descent just keeps it; none that does not bind.

    Args:
        problem: without low-rank form.
        deadline: `time.perf_counter()` at which the descent takes the prices it has.
    """
    quadratic = [label for label, each in problem.constraints.items() if not each.is_linear]
    found: dict[str, float] = {}
    if quadratic:
        # A quadratic equality that can be missed on both sides has no price.
        with suppress(UnsupportedProblemError):
            relaxation = RelaxedProblem(problem, Capabilities(), deadline)
            weights = {**relaxation.multipliers, **relaxation.weights}
            found = {label: weights[label] for label in quadratic if 0.0 < weights[label] < math.inf}
    return found


def priced(problem: Problem[T], prices: Mapping[str, float]) -> Problem[T]:
    """The problem with some quadratic constraints in its objective; of no feasible state is the energy higher.

    Args:
        problem: without low-rank form.
        prices: >= 0, of constraints that `local_prices` gives one.
    """
    parts = [(problem.objective, 1.0)]
    for label, price in prices.items():
        each = problem.constraints[label]
        beyond = _beyond(each)
        beyond.offset -= TOLERANCE * max(1.0, abs(each.rhs))
        parts.append((beyond, price))
    others = {label: each for label, each in problem.constraints.items() if label not in prices}
    return replace(problem, objective=weighted_sum(problem.variables, parts), constraints=others, penalties={})


def climb(prices: Mapping[str, float], bound_at: Callable[[Mapping[str, float]], float]) -> None:
    """Look for the multiple of the prices with the highest bound: up by steps, then the peak of a parabola.

    Args:
        prices: to begin with.
        bound_at: the bound at prices; minus infinity ends the search.
    """

    @cache
    def at(power: float) -> float:
        return bound_at({label: _STEP**power * price for label, price in prices.items()})

    middle = 0
    for _ in range(_MOST_STEPS):
        below, here, above = at(middle - 1), at(middle), at(middle + 1)
        if min(below, here, above) == -math.inf:
            return
        if here >= max(below, above):
            bend = 2.0 * here - below - above
            if bend > 0.0:
                at(middle + (above - below) / (2.0 * bend))
            return
        middle += 1 if above > below else -1


def _beyond(constraint: Constraint) -> Any:
    """A model that is at most 0 in the states that keep the constraint."""
    if constraint.penalty is not None:
        return constraint.penalty.copy()
    beyond = constraint.lhs.copy()
    beyond.offset -= constraint.rhs
    if constraint.sense == ">=":
        beyond.scale(-1.0)
    return beyond

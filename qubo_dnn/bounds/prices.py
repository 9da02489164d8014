"""Quadratic constraints as part of the objective, with prices that give the highest bound.

For any price >= 0, the minimum of `energy + price (left - right)` over all states is a lower bound on the energy of the
states that keep `left(x) <= right`. It is concave in the price; its maximum is the Lagrangian dual bound.

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
from qubo_dnn.bounds.site_model import LOOSER
from qubo_dnn.constraint import Constraint
from qubo_dnn.constraints.relaxation import RelaxedProblem
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.problem import Problem, weighted_sum

T = TypeVar("T")
# Factor of a step of the prices, and largest number of steps.
_STEP, _MOST_STEPS = 1.15, 10


def local_prices(problem: Problem[Any], deadline: float) -> dict[str, float]:
    """Return the price > 0 at which local descent just keeps each quadratic constraint that binds.

    Args:
        problem: without low-rank form.
        deadline: `time.perf_counter()` at which the descent stops with the prices so far.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> coloring = get_formulation("graph-coloring").example(0).compile()
        >>> sorted(local_prices(coloring, deadline=math.inf))
        ['colours', 'edges']
    """
    quadratic = [label for label, each in problem.constraints.items() if not each.is_linear]
    found: dict[str, float] = {}
    if quadratic:
        # A quadratic equality that states can violate on both sides has no price.
        with suppress(UnsupportedProblemError):
            relaxation = RelaxedProblem(problem, Capabilities(), deadline)
            weights = {**relaxation.multipliers, **relaxation.weights}
            found = {label: weights[label] for label in quadratic if 0.0 < weights[label] < math.inf}
    return found


def priced(problem: Problem[T], prices: Mapping[str, float]) -> Problem[T]:
    """Move some quadratic constraints to the objective; the energy of no feasible state increases.

    Args:
        problem: without low-rank form.
        prices: constraint -> price >= 0, for constraints from `local_prices`.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> coloring = get_formulation("graph-coloring").example(0).compile()
        >>> list(priced(coloring, local_prices(coloring, deadline=math.inf)).constraints)
        []
    """
    parts = [(problem.objective, 1.0)]
    for label, price in prices.items():
        each = problem.constraints[label]
        beyond = _beyond(each)
        beyond.offset -= LOOSER * each.tolerance
        parts.append((beyond, price))
    others = {label: each for label, each in problem.constraints.items() if label not in prices}
    return replace(problem, objective=weighted_sum(problem.variables, parts), constraints=others, penalties={})


def climb(prices: Mapping[str, float], bound_at: Callable[[Mapping[str, float]], float]) -> None:
    """Search for the multiple of the prices with the highest bound, by steps and a parabola at the end.

    Args:
        prices: start prices.
        bound_at: returns the bound at given prices, and may record it; minus infinity ends the search.

    Example:
        >>> seen = []
        >>> def bound_at(prices):
        ...     seen.append(prices["edges"])
        ...     return -((prices["edges"] - 2.0) ** 2)
        >>> climb({"edges": 1.5}, bound_at)
        >>> round(min(abs(price - 2.0) for price in seen), 2)
        0.02
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
    """Return a model that is at most 0 in the states that keep the constraint."""
    if constraint.penalty is not None:
        return constraint.penalty.copy()
    beyond = constraint.lhs.copy()
    beyond.offset -= constraint.rhs
    if constraint.sense == ">=":
        beyond.scale(-1.0)
    return beyond

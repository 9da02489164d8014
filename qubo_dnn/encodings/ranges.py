"""Ranges of a model's integer variables: their bounds, rounded inwards, or bounds that follow from the constraints.

A linear constraint bounds each of its variables by the least contribution of the others (interval arithmetic). This is
repeated until nothing changes. A variable without bounds is encoded within the resulting range.

Source: Savelsbergh 1994, "Preprocessing and probing techniques for mixed integer programming problems", section 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import dimod

from qubo_dnn.encodings.integer import LARGEST, whole_range
from qubo_dnn.problem import Variable

# A chain of rows bounds one more variable per pass. The limit stops rows that approach a bound in tiny steps.
_PASSES = 50
_TOLERANCE = 1e-9


def integer_ranges(cqm: dimod.ConstrainedQuadraticModel) -> tuple[dict[Variable, tuple[int, int]], list[Variable]]:
    """Return the range of every integer variable, and the variables with a bound that follows from the constraints.

    Returns:
        Variable -> smallest and largest value, -`LARGEST` or `LARGEST` without a bound; and the list of variables.

    Raises:
        FormulationError: no integer lies within the bounds of a variable.

    Example:
        >>> cqm = dimod.ConstrainedQuadraticModel()
        >>> label = cqm.add_constraint(2 * dimod.Integer("m") + dimod.Integer("n", lower_bound=1) <= 8)
        >>> integer_ranges(cqm)
        ({'m': (0, 3), 'n': (1, 8)}, ['m', 'n'])
    """
    ranges = {
        v: whole_range(v, cqm.lower_bound(v), cqm.upper_bound(v))
        for v in cqm.variables
        if cqm.vartype(v) is dimod.INTEGER
    }
    wide = {v for v, (low, high) in ranges.items() if low <= -LARGEST or high >= LARGEST}
    if not wide:
        return ranges, []
    bounds = {v: (cqm.lower_bound(v), cqm.upper_bound(v)) for v in cqm.variables} | {
        v: (-math.inf if low <= -LARGEST else low, math.inf if high >= LARGEST else high)
        for v, (low, high) in ranges.items()
    }
    rows = [row for each in cqm.constraints.values() if not each.lhs.is_soft() for row in _rows(each)]
    for _ in range(_PASSES):
        before = {v: bounds[v] for v in wide}
        for terms, most in rows:
            _tighten(bounds, terms, most, ranges, wide)
        if before == {v: bounds[v] for v in wide}:
            break
    found = {v: whole_range(v, *bounds[v]) for v in wide}
    return ranges | found, [v for v in ranges if v in wide and found[v] != ranges[v]]


def _rows(constraint: dimod.sym.Comparison) -> list[tuple[Mapping[Any, float], float]]:
    """Write a linear constraint as rows `terms <= most`."""
    if constraint.lhs.quadratic:
        return []
    terms = {v: float(bias) for v, bias in constraint.lhs.linear.items() if bias}
    rhs = float(constraint.rhs)
    room, loose = rhs - float(constraint.lhs.offset), _TOLERANCE * max(1.0, abs(rhs))
    rows: list[tuple[Mapping[Any, float], float]] = []
    if constraint.sense.value != ">=":
        rows.append((terms, room + loose))
    if constraint.sense.value != "<=":
        rows.append(({v: -bias for v, bias in terms.items()}, loose - room))
    return rows


def _tighten(
    bounds: dict[Variable, tuple[float, float]],
    terms: Mapping[Any, float],
    most: float,
    own: Mapping[Any, tuple[int, int]],
    wide: set[Variable],
) -> None:
    """Tighten the bounds of the variables in `wide` by one row, without changing the bounds in the model."""
    least = {v: weight * bounds[v][weight < 0.0] for v, weight in terms.items()}
    open_ends: Sequence[Variable] = [v for v, value in least.items() if value == -math.inf]
    known = sum(value for value in least.values() if value != -math.inf)
    for v in open_ends if len(open_ends) == 1 else [] if open_ends else [v for v in terms if v in wide]:
        if v not in wide:
            continue
        room = most - known + (0.0 if v in open_ends else least[v])
        limit = room / terms[v] + math.copysign(_TOLERANCE, terms[v])
        if abs(limit) >= LARGEST:
            continue
        low, high = bounds[v]
        # If no value meets the row, one value remains: the answer then reports the row as broken.
        if terms[v] > 0.0 and own[v][1] >= LARGEST:
            bounds[v] = (low, max(min(high, math.floor(limit)), low if low > -math.inf else -LARGEST + 1))
        elif terms[v] < 0.0 and own[v][0] <= -LARGEST:
            bounds[v] = (min(max(low, math.ceil(limit)), high if high < math.inf else LARGEST - 1), high)

"""Ranges of a model's integer variables: their bounds rounded inwards, and where there is none what follows from rows.

A linear constraint bounds each of its variables by what the others can at least contribute (interval arithmetic), again
and again until nothing changes. A variable without bounds is encoded within what follows.

Source: Savelsbergh 1994, "Preprocessing and probing techniques for mixed integer programming problems", section 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import dimod

from qubo_dnn.encodings.integer import LARGEST, whole_range
from qubo_dnn.problem import Variable

# A chain of rows bounds one further variable a pass; rows that creep towards a bound are not followed to the end.
_PASSES = 50
_TOLERANCE = 1e-9


def integer_ranges(cqm: dimod.ConstrainedQuadraticModel) -> tuple[dict[Variable, tuple[int, int]], list[Variable]]:
    """Smallest and largest value of every integer variable, and which of them have a bound that follows from rows.

    Returns:
        The range has -`LARGEST` or `LARGEST` where a variable stays without a bound.

    Raises:
        FormulationError: there is no integer within a variable's own bounds.
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


def _rows(constraint: dimod.sym.Comparison) -> list[tuple[Mapping[Variable, float], float]]:
    """A linear constraint as rows `terms <= most`."""
    if constraint.lhs.quadratic:
        return []
    terms = {v: float(bias) for v, bias in constraint.lhs.linear.items() if bias}
    rhs = float(constraint.rhs)
    room, loose = rhs - float(constraint.lhs.offset), _TOLERANCE * max(1.0, abs(rhs))
    rows: list[tuple[Mapping[Variable, float], float]] = []
    if constraint.sense.value != ">=":
        rows.append((terms, room + loose))
    if constraint.sense.value != "<=":
        rows.append(({v: -bias for v, bias in terms.items()}, loose - room))
    return rows


def _tighten(
    bounds: dict[Variable, tuple[float, float]],
    terms: Mapping[Variable, float],
    most: float,
    own: Mapping[Variable, tuple[int, int]],
    wide: set[Variable],
) -> None:
    """Bounds of the variables in `wide` that follow from one row; those a variable has by itself stay."""
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
        # A row that no value meets leaves one all the same: the answer then breaks the row, and says so.
        if terms[v] > 0.0 and own[v][1] >= LARGEST:
            bounds[v] = (low, max(min(high, math.floor(limit)), low if low > -math.inf else -LARGEST + 1))
        elif terms[v] < 0.0 and own[v][0] <= -LARGEST:
            bounds[v] = (min(max(low, math.ceil(limit)), high if high < math.inf else LARGEST - 1), high)

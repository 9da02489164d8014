"""Quadratic constraints that say the same as linear ones, written as these.

A left side that is a sum of terms which are never negative, and may not be above 0, forces every term to be 0. The
terms that are recognised, with weights w > 0:

- `w x y` is 0 where x + y <= 1, `w x (1 - y)` where x <= y, `w x` where x <= 0, `w (1 - x)` where x >= 1;
- Rosenberg's `w (a b - 2 a z - 2 b z + 3 z)` of literals a and b, see `qubo_dnn.encodings.rosenberg`, where z is a b:
  z <= a, z <= b, z >= a + b - 1.

So edges of colourings and products of clauses reach solvers of linear programs row by row, in their tightest form.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

import dimod

from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem, Variable

T = TypeVar("T")
# Entries of all rows together, written out densely: 160 MB.
_MOST_ENTRIES = 2e7
# Weights below this share of the right side, or of 1, may be left over by rounding, and force nothing.
_SMALLEST = 1e-6


def linearized(problem: Problem[T]) -> Problem[T]:
    """The problem with linear constraints in place of quadratic ones, where that leaves the feasible states the same.

    Returns:
        The problem itself where there is nothing to replace, or too much.
    """
    constraints: dict[str, Constraint] = {}
    for label, constraint in problem.constraints.items():
        rows = None if constraint.is_linear else linear_rows(constraint)
        if rows is None:
            constraints[label] = constraint
        else:
            constraints |= {f"{label}, row {k}": row for k, row in enumerate(rows)}
    if constraints.keys() == problem.constraints.keys() or len(constraints) * len(problem.variables) > _MOST_ENTRIES:
        return problem
    return replace(problem, constraints=constraints, penalties={})


def linear_rows(constraint: Constraint) -> list[Constraint] | None:
    """Linear constraints that together say the same as a quadratic one; None where none are found."""
    for sign, senses in ((1.0, ("<=", "==")), (-1.0, (">=", "=="))):
        if constraint.sense in senses:
            terms = _Terms(constraint.lhs, sign, constraint.rhs)
            rows = [*terms.products(), *terms.rest()]
            if terms.offset == 0.0 and terms.least >= _SMALLEST * max(1.0, abs(constraint.rhs)):
                return rows
    return None


class _Terms:
    """A left side as what is left of it after terms have been taken out; what they force stays behind as rows."""

    def __init__(self, left: dimod.BinaryQuadraticModel, sign: float, right: float) -> None:
        self.offset = sign * (float(left.offset) - right)
        # The least weight of all terms.
        self.least = math.inf
        self.linear: dict[Variable, float] = {v: sign * float(bias) for v, bias in left.linear.items()}
        self.pairs: dict[Variable, dict[Variable, float]] = {v: {} for v in left.variables}
        for (u, v), bias in left.quadratic.items():
            self._add(u, v, sign * float(bias))

    def products(self) -> Iterator[Constraint]:
        """Take Rosenberg's terms out, one after another: a product may be a part of other products."""
        waiting = list(self.linear)
        while waiting:
            z = waiting.pop()
            if len(self.pairs[z]) != 2:
                continue
            (x, first), (y, second) = self.pairs[z].items()
            weight = abs(first) / 2.0
            flipped = int(first > 0.0) + int(second > 0.0)
            if abs(second) != 2.0 * weight or self.linear[z] != (3.0 - 2.0 * flipped) * weight:
                continue
            self.least = min(self.least, weight)
            self._add(z, x, -first)
            self._add(z, y, -second)
            self.linear[z] = 0.0
            # A literal is `constant + slope * variable`.
            a, b = ((1.0, -1.0) if bias > 0.0 else (0.0, 1.0) for bias in (first, second))
            self.offset -= weight * a[0] * b[0]
            self.linear[x] -= weight * a[1] * b[0]
            self.linear[y] -= weight * a[0] * b[1]
            self._add(x, y, -weight * a[1] * b[1])
            waiting += [x, y]
            yield _row({z: 1.0, x: -a[1]}, a[0])
            yield _row({z: 1.0, y: -b[1]}, b[0])
            yield _row({x: a[1], y: b[1], z: -1.0}, 1.0 - a[0] - b[0])

    def rest(self) -> Iterator[Constraint]:
        """Take everything else out; the offset that is left is the least value, if that is attained at all."""
        for x, y in [(u, v) for u, others in self.pairs.items() for v in others]:
            bias = self.pairs[x].get(y, 0.0)
            if not bias:
                continue
            self.least = min(self.least, abs(bias))
            self._add(x, y, -bias)
            if bias > 0.0:
                yield _row({x: 1.0, y: 1.0}, 1.0)
            else:
                # w x (1 - y) - w x
                one, other = (x, y) if self.linear[x] >= self.linear[y] else (y, x)
                self.linear[one] += bias
                yield _row({one: 1.0, other: -1.0}, 0.0)
        for x, bias in self.linear.items():
            self.least = min(self.least, abs(bias) or math.inf)
            if bias > 0.0:
                yield _row({x: 1.0}, 0.0)
            elif bias < 0.0:
                self.offset += bias
                yield _row({x: -1.0}, -1.0)

    def _add(self, u: Variable, v: Variable, bias: float) -> None:
        """Change the bias of a pair; none is kept at 0."""
        total = self.pairs[u].get(v, 0.0) + bias
        for one, other in ((u, v), (v, u)):
            if total:
                self.pairs[one][other] = total
            else:
                self.pairs[one].pop(other, None)


def _row(weights: dict[Variable, float], right: float) -> Constraint:
    """`weights x <= right`."""
    return Constraint(dimod.BinaryQuadraticModel(weights, {}, 0.0, dimod.BINARY), "<=", right)

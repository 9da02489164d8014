"""Quadratic constraints as equivalent linear constraints.

If a left side is a sum of non-negative terms and must be <= 0, every term must be 0. The module recognises these terms,
with weights w > 0:

- `w x y` is 0 if x + y <= 1, `w x (1 - y)` if x <= y, `w x` if x <= 0, `w (1 - x)` if x >= 1;
- Rosenberg's `w (a b - 2 a z - 2 b z + 3 z)` of literals a and b, see `qubo_dnn.encodings.rosenberg`, is 0 if z = a b:
  z <= a, z <= b, z >= a + b - 1.

Solvers of linear programs thus get edges of colourings and products of clauses as rows in their tightest form.
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
# Largest number of entries of all rows as a dense matrix: 160 MB.
_MOST_ENTRIES = 2e7
# Weights below this share of max(1, |right side|) may be rounding errors, and force nothing.
_SMALLEST = 1e-6


def linearized(problem: Problem[T]) -> Problem[T]:
    """Replace quadratic constraints by equivalent linear ones where possible.

    Returns:
        A problem with the same feasible states. The problem itself if nothing can be replaced, or if the rows would be
        too many.

    Example:
        >>> edge = dimod.BinaryQuadraticModel({}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> problem = Problem(objective=edge, decoder=dict, constraints={"edge": Constraint(edge, "<=", 0.0)})
        >>> {label: row.is_linear for label, row in linearized(problem).constraints.items()}
        {'edge, row 0': True}
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
    """Return linear constraints that are together equivalent to a quadratic one, or None if none are recognised.

    Example:
        >>> edge = dimod.BinaryQuadraticModel({}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> [(list(row.lhs.variables), row.sense, row.rhs) for row in linear_rows(Constraint(edge, "<=", 0.0))]
        [(['a', 'b'], '<=', 1.0)]
    """
    for sign, senses in ((1.0, ("<=", "==")), (-1.0, (">=", "=="))):
        if constraint.sense in senses:
            terms = _Terms(constraint.lhs, sign, constraint.rhs)
            rows = [*terms.products(), *terms.rest()]
            if terms.offset == 0.0 and terms.least >= _SMALLEST * max(1.0, abs(constraint.rhs)):
                return rows
    return None


class _Terms:
    """A left side without the terms removed so far; each removed term yields the rows that it forces."""

    def __init__(self, left: dimod.BinaryQuadraticModel, sign: float, right: float) -> None:
        self.offset = sign * (float(left.offset) - right)
        # The least weight of all terms.
        self.least = math.inf
        self.linear: dict[Variable, float] = {v: sign * float(bias) for v, bias in left.linear.items()}
        self.pairs: dict[Variable, dict[Variable, float]] = {v: {} for v in left.variables}
        for (u, v), bias in left.quadratic.items():
            self._add(u, v, sign * float(bias))

    def products(self) -> Iterator[Constraint]:
        """Remove Rosenberg's terms one after another, since a product may be a factor of other products."""
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
        """Remove all other terms; the remaining offset is the least value, if any state attains it."""
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
        """Change the bias of a pair, and remove the pair if the bias becomes 0."""
        total = self.pairs[u].get(v, 0.0) + bias
        for one, other in ((u, v), (v, u)):
            if total:
                self.pairs[one][other] = total
            else:
                self.pairs[one].pop(other, None)


def _row(weights: dict[Variable, float], right: float) -> Constraint:
    """Make the constraint `weights x <= right`."""
    return Constraint(dimod.BinaryQuadraticModel(weights, {}, 0.0, dimod.BINARY), "<=", right)

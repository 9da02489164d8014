"""Small programs solved by looking at every state, to compare what readers make of a file with."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from itertools import product

import dimod

from qubo_dnn.encodings.ranges import integer_ranges
from qubo_dnn.files.common.model import ConstrainedModel


def states(cqm: dimod.ConstrainedQuadraticModel) -> Iterator[dict[Hashable, int]]:
    """All values of binary and integer variables, the latter within their bounds or those that rows imply."""
    ranges, _ = integer_ranges(cqm)
    domains = [range(low, high + 1) for low, high in (ranges.get(v, (0, 1)) for v in cqm.variables)]
    assert math.prod(map(len, domains)) < 200_000
    for values in product(*domains):
        yield dict(zip(cqm.variables, values, strict=True))


def optimum(program: ConstrainedModel) -> float | None:
    """The best objective in the program's own sense, None where no state keeps the constraints."""

    def kept(state: Mapping[Hashable, int]) -> bool:
        return all(
            {"<=": left <= right, ">=": left >= right, "==": left == right}[each.sense.value]
            for each in program.cqm.constraints.values()
            for left, right in [(round(float(each.lhs.energy(state)), 6), round(float(each.rhs), 6))]
        )

    values = [float(program.cqm.objective.energy(state)) for state in states(program.cqm) if kept(state)]
    if not values:
        return None
    return max(values) if program.sense == "max" else min(values)

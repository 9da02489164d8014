"""Exact cover: sets that together have every element exactly once."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from qubo_dnn.arguments import checked
from qubo_dnn.problem import Problem
from qubo_formulations._arrays import Vector
from qubo_formulations._models import from_arrays
from qubo_formulations._set_families import SetFamily, Sets


class ExactCover(SetFamily):
    """The cheapest of the given sets that have every element, which any of them has, exactly once.

    Variables: `x[s]` = 1 takes set s; one per set.
    Objective: the sum of `c[s] x[s]`, minimised.
    Constraints: "element e", the sum of `x[s]` over the sets that have e is 1.
    Sufficient penalty, where there is an exact cover: more than all costs together, since an infeasible state costs at
    least one penalty and a cover no more than that.

    Args:
        sets: lists of elements.
        costs: of the sets, >= 0; None makes each cost 1.

    Raises:
        FormulationError: there is no set, or a cost is negative or not finite.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 4.1.
    """

    name: ClassVar[str] = "exact-cover"
    summary: ClassVar[str] = "the cheapest sets that have every element once"

    @checked
    def __init__(self, sets: Sets, costs: Vector | None = None) -> None:
        super().__init__(sets, costs, "costs")

    @classmethod
    def example(cls, seed: int) -> Self:
        """8 sets of some of 6 elements, among them two exact covers, with costs from 1 to 9."""
        rng = np.random.default_rng(seed)
        one, other = rng.permutation(6).tolist(), rng.permutation(6).tolist()
        sets = [one[:2], one[2:5], one[5:], other[:3], other[3:], *(rng.permutation(6)[:2].tolist() for _ in range(3))]
        return cls(sets, [*rng.integers(1, 5, 3), 9, 9, *rng.integers(1, 10, 3)])

    def compile(self) -> Problem[frozenset[int]]:
        """The problem, with one equality per element."""
        constraints = self.element_constraints("==")
        return Problem(
            objective=from_arrays(self.labels, self.costs),
            decoder=self.decode,
            constraints=constraints,
            penalties=dict.fromkeys(constraints, 1.25 * float(self.costs.sum()) or 1.0),
        )

    def is_feasible(self, value: frozenset[int]) -> bool:
        """Whether the sets of `value` have every element once."""
        known = super().is_feasible(value)
        return known and sorted(map(str, (e for s in value for e in self.sets[s]))) == sorted(map(str, self.members))

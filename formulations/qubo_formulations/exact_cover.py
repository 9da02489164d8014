"""Exact cover: sets that together contain every element exactly once."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from qubo_dnn.problem import Problem
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.arrays import Vector
from qubo_formulations._shared.models import from_arrays
from qubo_formulations._shared.set_families import SetFamily, Sets


class ExactCover(SetFamily):
    """Choose the cheapest of the given sets such that every element is in exactly one chosen set.

    Variables: `x[s]` = 1 takes set s; one per set.
    Objective: the sum of `c[s] x[s]`, minimised.
    Constraints: "element e", the sum of `x[s]` over the sets that contain e is 1.
    Sufficient penalty, if an exact cover exists: more than the sum of all costs, because an infeasible state costs at
    least one penalty and an exact cover costs at most that sum.

    Args:
        sets: lists of elements.
        costs: costs of the sets, >= 0; None: every set costs 1.

    Raises:
        FormulationError: the list of sets is empty, or a cost is negative or not finite.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 4.1.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> cover = ExactCover([["a", "b"], ["b", "c"], ["c"], ["a"]], costs=[1, 1, 1, 3])
        >>> sorted(solve(cover.compile(), get_backend("exact")).best.value)
        [0, 2]
    """

    name: ClassVar[str] = "exact-cover"
    summary: ClassVar[str] = "the cheapest sets that contain every element once"

    @checked
    def __init__(self, sets: Sets, costs: Vector | None = None) -> None:
        super().__init__(sets, costs, "costs")

    @classmethod
    def example(cls, seed: int) -> Self:
        """8 sets over 6 elements with costs from 1 to 9; they include two exact covers."""
        rng = np.random.default_rng(seed)
        one, other = rng.permutation(6).tolist(), rng.permutation(6).tolist()
        sets = [one[:2], one[2:5], one[5:], other[:3], other[3:], *(rng.permutation(6)[:2].tolist() for _ in range(3))]
        return cls(sets, [*rng.integers(1, 5, 3), 9, 9, *rng.integers(1, 10, 3)])

    def compile(self) -> Problem[frozenset[int]]:
        """Compile the problem, with one equality per element."""
        constraints = self.element_constraints("==")
        return Problem(
            objective=from_arrays(self.labels, self.costs),
            decoder=self.decode,
            constraints=constraints,
            penalties=dict.fromkeys(constraints, 1.25 * float(self.costs.sum()) or 1.0),
        )

    def is_feasible(self, value: frozenset[int]) -> bool:
        """Return whether the sets of `value` contain every element exactly once."""
        known = super().is_feasible(value)
        return known and sorted(map(str, (e for s in value for e in self.sets[s]))) == sorted(map(str, self.members))

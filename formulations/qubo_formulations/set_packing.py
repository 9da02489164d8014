"""Set packing: the most valuable sets that share no element."""

from __future__ import annotations

from itertools import combinations
from typing import ClassVar, Self

import numpy as np

from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.arrays import Vector
from qubo_formulations._shared.greedy import greedy_independent_set
from qubo_formulations._shared.models import from_arrays
from qubo_formulations._shared.set_families import SetFamily, Sets


class SetPacking(SetFamily):
    """Choose the most valuable of the given sets such that no two share an element.

    Variables: `x[s]` = 1 takes set s; one per set.
    Objective: the sum of `v[s] x[s]`, maximised.
    Constraints: "pairs", the sum of `x[s] x[t]` over pairs of sets that share an element is 0; the sum counts
    the clashes.
    Start: sets in the order of their value per set that they rule out.
    Sufficient penalty: more than the second largest value, because leaving out the less valuable set of a clash removes
    it at that cost.

    Args:
        sets: lists of elements.
        values: values of the sets, >= 0; None: every set has value 1.

    Raises:
        FormulationError: the list of sets is empty, or a value is negative or not finite.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 4.2.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> packing = SetPacking([["a", "b"], ["b", "c"], ["c", "d"]])
        >>> sorted(solve(packing.compile(), get_backend("exact")).best.value)
        [0, 2]
    """

    name: ClassVar[str] = "set-packing"
    summary: ClassVar[str] = "the most valuable sets that share no element"

    @checked
    def __init__(self, sets: Sets, values: Vector | None = None) -> None:
        super().__init__(sets, values, "values")

    @classmethod
    def example(cls, seed: int) -> Self:
        """8 sets of 3 of 8 elements, with values from 1 to 9."""
        rng = np.random.default_rng(seed)
        return cls([rng.choice(8, 3, replace=False).tolist() for _ in range(8)], rng.integers(1, 10, 8))

    def compile(self) -> Problem[frozenset[int]]:
        """Compile the problem, with its one constraint."""
        clashes = sorted({pair for having in self.members.values() for pair in combinations(having, 2)})
        rows, columns = np.array(clashes, np.int64).reshape(-1, 2).T
        pairs = from_arrays(self.labels, np.zeros(len(self.labels)), rows, columns, np.ones(len(clashes)))
        taken = greedy_independent_set(np.array([rows, columns]), self.costs)
        return Problem(
            objective=from_arrays(self.labels, -self.costs),
            decoder=self.decode,
            constraints={"pairs": Constraint(pairs, "<=", 0.0)},
            sense="max",
            penalties={"pairs": 1.25 * float(np.sort(self.costs)[-2:][0]) or 1.0},
            start=dict(zip(self.labels, taken.tolist(), strict=True)),
        )

    def is_feasible(self, value: frozenset[int]) -> bool:
        """Return whether no two sets of `value` share an element."""
        known = super().is_feasible(value)
        return known and all(self.sets[s].isdisjoint(self.sets[t]) for s, t in combinations(value, 2))

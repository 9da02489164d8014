"""Knapsack: the most valuable items within a capacity."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.arrays import Vector, as_array
from qubo_formulations._shared.greedy import by_value_per_weight, first_fit
from qubo_formulations._shared.instances import FileInstance
from qubo_formulations._shared.item_sets import ItemSet
from qubo_formulations._shared.models import from_arrays
from qubo_formulations._shared.weights import as_weights, check_capacity


class Knapsack(ItemSet, FileInstance):
    """Choose items of the greatest total value whose total weight does not exceed a capacity.

    Variables: `x[i]` = 1 takes item i; n of them.
    Objective: the sum of `v[i] x[i]`, maximised.
    Constraints: "capacity", the sum of `w[i] x[i]` is at most C.
    Start: items in the order of their value per weight, where they fit.

    Args:
        values: [n] values of the items, finite.
        weights: [n] weights of the items, integers >= 0.
        capacity: integer >= 0, in the unit of the weights.

    Raises:
        FormulationError: the arrays differ in length, are not finite, or weights or capacity are not integers >= 0.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 5.2; Martello & Toth 1990.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> knapsack = Knapsack(values=[6, 5, 4], weights=[3, 2, 2], capacity=4)
        >>> sorted(solve(knapsack.compile(), get_backend("exact")).best.value)
        [1, 2]
    """

    name: ClassVar[str] = "knapsack"
    summary: ClassVar[str] = "the most valuable items within a capacity"
    formats: ClassVar[tuple[str, ...]] = ("knapsack",)

    @checked
    def __init__(self, values: Vector, weights: Vector, capacity: int) -> None:
        self.values = as_array(values, "values", (None,))
        super().__init__(len(self.values))
        self.weights = as_weights(weights, len(self.values), "weights")
        self.capacity = check_capacity(capacity)

    @classmethod
    def example(cls, seed: int) -> Self:
        """10 items, about half of which fit."""
        rng = np.random.default_rng(seed)
        weights = rng.integers(1, 12, 10)
        return cls(rng.integers(1, 20, 10), weights, int(weights.sum()) // 2)

    def compile(self) -> Problem[frozenset[int]]:
        """Compile the problem, with its one inequality."""
        return Problem(
            objective=from_arrays(self.labels, -self.values),
            decoder=self.decode,
            constraints={"capacity": Constraint(from_arrays(self.labels, self.weights), "<=", float(self.capacity))},
            sense="max",
            start=self.encode(first_fit(by_value_per_weight(self.values, self.weights), self.weights, [self.capacity])),
        )

    def cost(self, value: frozenset[int]) -> float:
        """Return the total value of the items of `value`."""
        return float(self.values[list(value)].sum())

    def is_feasible(self, value: frozenset[int]) -> bool:
        """Return whether the items of `value` fit into the capacity."""
        return super().is_feasible(value) and bool(self.weights[list(value)].sum() <= self.capacity)

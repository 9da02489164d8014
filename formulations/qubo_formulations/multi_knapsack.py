"""Multiple knapsacks: items into several knapsacks, each with its own capacity."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from typing import ClassVar, Self

import numpy as np
from pyqubo import Binary

from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.arrays import Vector, as_array
from qubo_formulations._shared.greedy import by_value_per_weight, first_fit
from qubo_formulations._shared.models import compiled, linear_model
from qubo_formulations._shared.weights import as_weights

Packing = tuple[int | None, ...]


class MultiKnapsack:
    """Put items of the greatest total value into m knapsacks, each item at most once, within all capacities.

    Variables: `x[i][k]` = 1 puts item i into knapsack k; n m of them.
    Objective: the sum of `v[i] x[i][k]`, maximised.
    Constraints: "items", the sum over items and pairs of knapsacks of `x[i][k] x[i][l]` is 0; "capacity k", the sum of
    `w[i] x[i][k]` is at most C[k].
    Start: items in the order of their value per weight, each in the first knapsack where it fits.

    Args:
        values: [n] values of the items, >= 0.
        weights: [n] weights of the items, integers >= 0.
        capacities: [m] integers >= 0, in the unit of the weights.

    Raises:
        FormulationError: arrays do not fit together, are not finite, or weights or capacities are not integers >= 0.

    Source: Martello & Toth 1990, "Knapsack problems", chapter 6.

    Example:
        >>> knapsacks = MultiKnapsack(values=[6, 5, 4], weights=[3, 2, 2], capacities=[3, 2])
        >>> knapsacks.is_feasible((0, 1, None)), knapsacks.cost((0, 1, None))  # item 2 stays out
        (True, 11.0)
    """

    name: ClassVar[str] = "multi-knapsack"
    summary: ClassVar[str] = "the most valuable items within the capacities of several knapsacks"

    @checked
    def __init__(self, values: Vector, weights: Vector, capacities: Vector) -> None:
        self.values = as_array(values, "values", (None,))
        self.weights = as_weights(weights, len(self.values), "weights")
        self.capacities = as_weights(capacities, None, "capacities")

    @classmethod
    def example(cls, seed: int) -> Self:
        """6 items and 2 knapsacks."""
        rng = np.random.default_rng(seed)
        weights = rng.integers(2, 9, 6)
        return cls(rng.integers(1, 20, 6), weights, [int(weights.sum()) // 3, int(weights.sum()) // 4])

    def compile(self) -> Problem[Packing]:
        """Compile the problem; the constraint "items" is written in pyqubo."""
        items, knapsacks = range(len(self.values)), range(len(self.capacities))
        labels = [[f"x[{i}][{k}]" for k in knapsacks] for i in items]
        x = [[Binary(label) for label in row] for row in labels]
        twice = sum(x[i][k] * x[i][other] for i in items for k, other in combinations(knapsacks, 2))
        everything = [label for row in labels for label in row]
        constraints = {
            f"capacity {k}": Constraint(
                linear_model([row[k] for row in labels], self.weights), "<=", float(self.capacities[k])
            )
            for k in knapsacks
        }
        if len(knapsacks) > 1:
            constraints["items"] = Constraint(compiled(twice, everything), "<=", 0.0)
        objective = linear_model(everything, -np.repeat(self.values, len(knapsacks)))
        places = first_fit(by_value_per_weight(self.values, self.weights), self.weights, self.capacities.tolist())
        start = dict.fromkeys(everything, 0) | {labels[i][k]: 1 for i, k in places.items()}
        return Problem(objective=objective, decoder=self.decode, constraints=constraints, sense="max", start=start)

    def decode(self, sample: Sample) -> Packing:
        """Return the knapsack of every item: the first of several, None if it is in none."""
        knapsacks = range(len(self.capacities))
        return tuple(next((k for k in knapsacks if sample[f"x[{i}][{k}]"]), None) for i in range(len(self.values)))

    def cost(self, value: Packing) -> float:
        """Return the total value of the items that are in a knapsack."""
        return float(sum(self.values[i] for i, knapsack in enumerate(value) if knapsack is not None))

    def is_feasible(self, value: Packing) -> bool:
        """Return whether no knapsack exceeds its capacity."""
        loads = np.zeros(len(self.capacities))
        for weight, knapsack in zip(self.weights, value, strict=True):
            if knapsack is not None:
                loads[knapsack] += weight
        return bool((loads <= self.capacities).all())

    def answers(self) -> Iterator[Packing]:
        """Generate all feasible packings."""
        return filter(self.is_feasible, product((None, *range(len(self.capacities))), repeat=len(self.values)))

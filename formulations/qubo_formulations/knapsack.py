"""Knapsack: the most valuable items that can be carried."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from qubo_dnn.arguments import checked
from qubo_dnn.constraint import Constraint
from qubo_dnn.files.formats import read_instance
from qubo_dnn.problem import Problem, Sample
from qubo_formulations._arrays import Vector, as_array
from qubo_formulations._graphs import subsets
from qubo_formulations._models import from_arrays
from qubo_formulations._weights import as_weights, check_capacity


class Knapsack:
    """Items of the greatest total value whose weights do not exceed a capacity.

    Variables: `x[i]` = 1 takes item i; n of them.
    Objective: the sum of `v[i] x[i]`, maximised.
    Constraints: "capacity", the sum of `w[i] x[i]` is at most C.

    Args:
        values: [n], finite.
        weights: [n] integers >= 0.
        capacity: integer >= 0, in the unit of the weights.

    Raises:
        FormulationError: the arrays differ in length, are not finite, or weights or capacity are no integers >= 0.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 5.2; Martello & Toth 1990.
    """

    name: ClassVar[str] = "knapsack"
    summary: ClassVar[str] = "the most valuable items within a capacity"
    formats: ClassVar[tuple[str, ...]] = ("knapsack",)

    @checked
    def __init__(self, values: Vector, weights: Vector, capacity: int) -> None:
        self.values = as_array(values, "values", (None,))
        self.weights = as_weights(weights, len(self.values), "weights")
        self.capacity = check_capacity(capacity)

    @classmethod
    def read(cls, path: Path, format_name: str | None = None) -> dict[str, Any]:
        """Items and capacity of a plain text file (`.kp`: `n capacity`, then lines `value weight`)."""
        return dict(vars(read_instance(path, cls.formats, format_name)))

    @classmethod
    def example(cls, seed: int) -> Self:
        """10 items, about half of which can be carried."""
        rng = np.random.default_rng(seed)
        weights = rng.integers(1, 12, 10)
        return cls(rng.integers(1, 20, 10), weights, int(weights.sum()) // 2)

    def compile(self) -> Problem[frozenset[int]]:
        """The problem, with its one inequality."""
        labels = [f"x[{i}]" for i in range(len(self.values))]
        return Problem(
            objective=from_arrays(labels, -self.values),
            decoder=self.decode,
            constraints={"capacity": Constraint(from_arrays(labels, self.weights), "<=", float(self.capacity))},
            sense="max",
        )

    def decode(self, sample: Sample) -> frozenset[int]:
        """The items taken."""
        return frozenset(i for i in range(len(self.values)) if sample[f"x[{i}]"])

    def cost(self, value: frozenset[int]) -> float:
        """Total value of the items of `value`."""
        return float(self.values[list(value)].sum())

    def is_feasible(self, value: frozenset[int]) -> bool:
        """Whether the items of `value` can be carried."""
        known = value <= set(range(len(self.values)))
        return known and bool(self.weights[list(value)].sum() <= self.capacity)

    def answers(self) -> Iterator[frozenset[int]]:
        """All sets of items that can be carried."""
        return filter(self.is_feasible, subsets(range(len(self.values))))

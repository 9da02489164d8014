"""Number partitioning: two heaps of numbers whose sums are as equal as possible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self

import numpy as np

from qubo_dnn.arguments import checked
from qubo_dnn.problem import Problem, Sample
from qubo_formulations._arrays import Vector, as_array
from qubo_formulations._graphs import subsets
from qubo_formulations._models import from_arrays


class NumberPartitioning:
    """A heap of numbers whose sum differs least from that of the others.

    Variables: `x[i]` = 1 puts the i-th number on the heap that is the answer; n of them, all coupled.
    Objective: the squared difference of the two sums, `(2 sum of a[i] x[i] - sum of a[i])^2`, minimised.
    Constraints: none.

    Args:
        numbers: [n], n >= 1.

    Raises:
        FormulationError: there is no number, or one is not finite.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 2.1.
    """

    name: ClassVar[str] = "number-partitioning"
    summary: ClassVar[str] = "two heaps of numbers with sums as equal as possible"

    @checked
    def __init__(self, numbers: Vector) -> None:
        self.numbers = as_array(numbers, "numbers", (None,))

    @classmethod
    def example(cls, seed: int) -> Self:
        """8 numbers from 1 to 30."""
        return cls(np.random.default_rng(seed).integers(1, 31, 8))

    def compile(self) -> Problem[frozenset[int]]:
        """The problem, from arrays: n (n - 1) / 2 interactions."""
        a, total = self.numbers, self.numbers.sum()
        rows, columns = np.triu_indices(len(a), 1)
        objective = from_arrays(
            [f"x[{i}]" for i in range(len(a))],
            4.0 * a * (a - total),
            rows,
            columns,
            8.0 * a[rows] * a[columns],
            total**2,
        )
        return Problem(objective=objective, decoder=self.decode)

    def decode(self, sample: Sample) -> frozenset[int]:
        """Positions of the numbers on one heap."""
        return frozenset(i for i in range(len(self.numbers)) if sample[f"x[{i}]"])

    def cost(self, value: frozenset[int]) -> float:
        """The squared difference of the two sums."""
        return float((2.0 * self.numbers[list(value)].sum() - self.numbers.sum()) ** 2)

    def is_feasible(self, value: frozenset[int]) -> bool:
        """Whether `value` is a set of positions."""
        return value <= set(range(len(self.numbers)))

    def answers(self) -> Iterator[frozenset[int]]:
        """All heaps."""
        return subsets(range(len(self.numbers)))

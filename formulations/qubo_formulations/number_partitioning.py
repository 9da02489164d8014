"""Number partitioning: split numbers into two subsets with sums as equal as possible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self

import numpy as np

from qubo_dnn.problem import Problem, Sample
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.arrays import Vector, as_array
from qubo_formulations._shared.graphs import subsets
from qubo_formulations._shared.models import from_arrays


class NumberPartitioning:
    """Split numbers into two subsets whose sums differ least.

    Variables: `x[i]` = 1 puts the i-th number into the first subset; n of them, all coupled.
    Objective: the squared difference of the two sums, `(2 sum of a[i] x[i] - sum of a[i])^2`, minimised.
    Constraints: none.

    Args:
        numbers: [n] numbers to split, n >= 1.

    Raises:
        FormulationError: the list is empty, or a number is not finite.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 2.1.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> partitioning = NumberPartitioning([1, 2, 3, 4])
        >>> solve(partitioning.compile(), get_backend("exact")).best.objective  # both subsets sum to 5
        0.0
    """

    name: ClassVar[str] = "number-partitioning"
    summary: ClassVar[str] = "two subsets of numbers with sums as equal as possible"

    @checked
    def __init__(self, numbers: Vector) -> None:
        self.numbers = as_array(numbers, "numbers", (None,))

    @classmethod
    def example(cls, seed: int) -> Self:
        """8 numbers from 1 to 30."""
        return cls(np.random.default_rng(seed).integers(1, 31, 8))

    def compile(self) -> Problem[frozenset[int]]:
        """Compile the problem; it has n (n - 1) / 2 interactions and is built from arrays."""
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
        """Return the positions of the numbers of the first subset."""
        return frozenset(i for i in range(len(self.numbers)) if sample[f"x[{i}]"])

    def cost(self, value: frozenset[int]) -> float:
        """Return the squared difference of the two sums."""
        return float((2.0 * self.numbers[list(value)].sum() - self.numbers.sum()) ** 2)

    def is_feasible(self, value: frozenset[int]) -> bool:
        """Return whether `value` is a set of positions."""
        return value <= set(range(len(self.numbers)))

    def answers(self) -> Iterator[frozenset[int]]:
        """Generate all subsets."""
        return subsets(range(len(self.numbers)))

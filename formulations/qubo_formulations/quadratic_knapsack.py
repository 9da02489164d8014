"""Quadratic knapsack: items with profits for pairs, within a capacity."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import FormulationError
from qubo_dnn.problem import Problem
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.arrays import Matrix, Vector, as_square
from qubo_formulations._shared.instances import FileInstance
from qubo_formulations._shared.item_sets import ItemSet
from qubo_formulations._shared.models import from_arrays
from qubo_formulations._shared.weights import as_weights, check_capacity


class QuadraticKnapsack(ItemSet, FileInstance):
    """Choose items of the greatest profit, alone and in pairs, whose total weight does not exceed a capacity.

    Variables: `x[i]` = 1 takes item i; n of them.
    Objective: the sum of `p[i,i] x[i]` plus the sum over i < j of `p[i,j] x[i] x[j]`, maximised.
    Constraints: "capacity", the sum of `w[i] x[i]` is at most C, or exactly C.
    Start, if it is at most C: items in the order of the profit per weight that they add.

    Args:
        profits: [n, n] symmetric; the diagonal is the profit of an item alone, and each pair counts once.
        weights: [n] weights of the items, integers >= 0.
        capacity: integer >= 0, in the unit of the weights.
        exact: True: the total weight equals the capacity; False: it is at most the capacity.

    Raises:
        FormulationError: the arrays do not fit together or are not finite, the profits are not symmetric, weights or
            capacity are not integers >= 0, or `exact` is not a bool.

    Source: Gallo, Hammer & Simeone 1980, "Quadratic knapsack problems".

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> knapsack = QuadraticKnapsack([[1, 5, 0], [5, 1, 0], [0, 0, 4]], weights=[1, 1, 2], capacity=2)
        >>> sorted(solve(knapsack.compile(), get_backend("exact")).best.value)
        [0, 1]
    """

    name: ClassVar[str] = "quadratic-knapsack"
    summary: ClassVar[str] = "items of the greatest profit, alone and in pairs, within a capacity"
    formats: ClassVar[tuple[str, ...]] = ("quadratic-knapsack",)

    @checked
    def __init__(self, profits: Matrix, weights: Vector, capacity: int, exact: bool = False) -> None:
        self.profits = as_square(profits, "profits")
        if not np.array_equal(self.profits, self.profits.T):
            raise FormulationError("profits are not symmetric")
        super().__init__(len(self.profits))
        self.weights = as_weights(weights, len(self.profits), "weights")
        self.capacity = check_capacity(capacity)
        if not isinstance(exact, bool):
            raise FormulationError(f"exact is {exact!r}, neither true nor false")
        self.exact = exact

    @classmethod
    def example(cls, seed: int) -> Self:
        """9 items, about half of which fit."""
        rng = np.random.default_rng(seed)
        profits = np.triu(rng.integers(0, 20, (9, 9)) * (rng.random((9, 9)) < 0.5))
        weights = rng.integers(1, 12, 9)
        return cls(profits + np.triu(profits, 1).T, weights, int(weights.sum()) // 2)

    def compile(self) -> Problem[frozenset[int]]:
        """Compile the problem from arrays."""
        rows, columns = np.nonzero(np.triu(self.profits, 1))
        weight = Constraint(from_arrays(self.labels, self.weights), "==" if self.exact else "<=", float(self.capacity))
        return Problem(
            objective=from_arrays(self.labels, -np.diag(self.profits), rows, columns, -self.profits[rows, columns]),
            decoder=self.decode,
            constraints={"capacity": weight},
            sense="max",
            start=None if self.exact else self.encode(self._greedy()),
        )

    def _greedy(self) -> list[int]:
        """Take, again and again, the item that adds the greatest profit per weight, where it fits."""
        chosen: list[int] = []
        gains, room = np.diag(self.profits).copy(), float(self.capacity)
        while True:
            fits = (gains > 0.0) & (self.weights <= room)
            fits[chosen] = False
            if not fits.any():
                return chosen
            item = int(np.argmax(np.where(fits, gains / np.maximum(self.weights, 0.5), -np.inf)))
            chosen.append(item)
            room -= float(self.weights[item])
            gains += self.profits[item]

    def cost(self, value: frozenset[int]) -> float:
        """Return the profit of the items of `value`, alone and in pairs."""
        chosen = sorted(value)
        return float(np.triu(self.profits[np.ix_(chosen, chosen)]).sum())

    def is_feasible(self, value: frozenset[int]) -> bool:
        """Return whether the items of `value` fit into the capacity, and fill it if `exact` is set."""
        if not super().is_feasible(value):
            return False
        left = self.capacity - self.weights[list(value)].sum()
        return bool(left == 0 if self.exact else left >= 0)

"""Bin packing: all items into as few bins as possible."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import FormulationError
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.arrays import Vector
from qubo_formulations._shared.greedy import first_fit
from qubo_formulations._shared.models import check_size, linear_model
from qubo_formulations._shared.weights import as_weights, check_capacity

Packing = tuple[int | None, ...]


class BinPacking:
    """Put every item into a bin, within the capacity of the bins, and use as few bins as possible.

    Variables: `x[i][b]` = 1 puts item i into bin b; `y[b]` = 1 opens bin b; (n + 1) B of them.
    Objective: the sum of `y[b]`, minimised.
    Constraints: one bin per item (one-hot); "bin b", the sum of `s[i] x[i][b]` less `C y[b]` is at most 0.
    Start: items from large to small, each in the first bin with enough room, if that takes no more than B bins.

    Args:
        sizes: [n] integers >= 0, none greater than the capacity.
        capacity: C, an integer, in the unit of the sizes.
        bins: B, the number of bins; None: the number that first-fit decreasing needs.

    Raises:
        FormulationError: sizes or capacity are not integers >= 0, an item is larger than a bin, or `bins` is below 1.

    Source: Martello & Toth 1990, "Knapsack problems", chapter 8.

    Example:
        >>> packing = BinPacking(sizes=[4, 3, 3, 2], capacity=6)
        >>> packing.bins, packing.is_feasible((0, 1, 1, 0)), packing.cost((0, 1, 1, 0))
        (2, True, 2.0)
    """

    name: ClassVar[str] = "bin-packing"
    summary: ClassVar[str] = "all items into as few bins as possible"
    auxiliary: ClassVar[bool] = True

    @checked
    def __init__(self, sizes: Vector, capacity: int, bins: int | None = None) -> None:
        self.sizes = as_weights(sizes, None, "sizes")
        self.capacity = check_capacity(capacity)
        if self.sizes.max() > self.capacity:
            raise FormulationError(f"an item of size {self.sizes.max():g} fits into no bin of {self.capacity}")
        if bins is None:
            bins = 1 + max(first_fit_decreasing(self.sizes, self.capacity).values())
        self.bins = bins
        if self.bins < 1:
            raise FormulationError(f"items cannot be put into {self.bins} bins")
        check_size(self.bins * len(self.sizes))

    @classmethod
    def example(cls, seed: int) -> Self:
        """4 items and 3 bins."""
        return cls(np.random.default_rng(seed).integers(2, 7, 4), 11, bins=3)

    def compile(self) -> Problem[Packing]:
        """Compile the problem, with one inequality per bin."""
        items, bins = range(len(self.sizes)), range(self.bins)
        groups = {f"item {i}": tuple(f"x[{i}][{b}]" for b in bins) for i in items}
        opened = [f"y[{b}]" for b in bins]
        constraints = {
            f"bin {b}": Constraint(
                linear_model([*(f"x[{i}][{b}]" for i in items), opened[b]], [*self.sizes, -float(self.capacity)]),
                "<=",
                0.0,
            )
            for b in bins
        }
        objective = linear_model(opened, np.ones(self.bins))
        objective.add_linear_from({label: 0.0 for group in groups.values() for label in group})
        return Problem(
            objective=objective, decoder=self.decode, one_hot=groups, constraints=constraints, start=self._start()
        )

    def _start(self) -> dict[str, int] | None:
        """Return the sample of a first-fit decreasing packing; None if it needs more bins."""
        places = first_fit_decreasing(self.sizes, self.capacity)
        if max(places.values()) >= self.bins:
            return None
        items, bins = range(len(self.sizes)), range(self.bins)
        chosen = {f"x[{i}][{b}]": int(places[i] == b) for i in items for b in bins}
        return chosen | {f"y[{b}]": int(any(places[i] == b and self.sizes[i] > 0.0 for i in items)) for b in bins}

    def decode(self, sample: Sample) -> Packing:
        """Return the bin of every item: the lowest if a sample has several, None if it has none."""
        return tuple(
            next((b for b in range(self.bins) if sample[f"x[{i}][{b}]"]), None) for i in range(len(self.sizes))
        )

    def cost(self, value: Packing) -> float:
        """Return the number of bins that hold an item of a size above 0."""
        used = {bin_ for bin_, size in zip(value, self.sizes, strict=True) if bin_ is not None and size > 0.0}
        return float(len(used))

    def is_feasible(self, value: Packing) -> bool:
        """Return whether every item is in a bin and no bin exceeds its capacity."""
        if len(value) != len(self.sizes) or not all(bin_ in range(self.bins) for bin_ in value):
            return False
        loads = np.bincount(np.array(value, np.intp), self.sizes, self.bins)
        return bool((loads <= self.capacity).all())

    def answers(self) -> Iterator[Packing]:
        """Generate all feasible packings."""
        return filter(self.is_feasible, product(range(self.bins), repeat=len(self.sizes)))


def first_fit_decreasing(sizes: NDArray[np.float64], capacity: int) -> dict[int, int]:
    """Put items into bins from large to small, each into the first bin with enough room; return item -> bin.

    Example:
        >>> first_fit_decreasing(np.array([3.0, 4.0, 3.0, 2.0]), 6)
        {1: 0, 0: 1, 2: 1, 3: 0}
    """
    order = np.argsort(-sizes, kind="stable").tolist()
    return first_fit(order, sizes, [float(capacity)] * len(order))

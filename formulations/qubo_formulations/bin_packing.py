"""Bin packing: all items into as few bins as possible."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.arguments import checked
from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import FormulationError
from qubo_dnn.problem import Problem, Sample
from qubo_formulations._arrays import Vector
from qubo_formulations._models import check_size, linear_model
from qubo_formulations._weights import as_weights, check_capacity

Packing = tuple[int | None, ...]


class BinPacking:
    """A bin for every item, within the capacity of the bins, so that as few bins as possible are used.

    Variables: `x[i][b]` = 1 puts item i into bin b; `y[b]` = 1 opens bin b; (n + 1) B of them.
    Objective: the sum of `y[b]`, minimised.
    Constraints: one bin per item (one-hot); "bin b", the sum of `s[i] x[i][b]` less `C y[b]` is at most 0.

    Args:
        sizes: [n] integers >= 0, none beyond the capacity.
        capacity: C, an integer, in the unit of the sizes.
        bins: B, how many there are; None takes as many as first-fit decreasing fills.

    Raises:
        FormulationError: sizes or capacity are no integers >= 0, an item fits into no bin, or there is no bin.

    Source: Martello & Toth 1990, "Knapsack problems", chapter 8.
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
        self.bins = first_fit_decreasing(self.sizes, self.capacity) if bins is None else bins
        if self.bins < 1:
            raise FormulationError(f"items cannot be put into {self.bins} bins")
        check_size(self.bins * len(self.sizes))

    @classmethod
    def example(cls, seed: int) -> Self:
        """4 items and 3 bins."""
        return cls(np.random.default_rng(seed).integers(2, 7, 4), 11, bins=3)

    def compile(self) -> Problem[Packing]:
        """The problem, with one inequality per bin."""
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
        return Problem(objective=objective, decoder=self.decode, one_hot=groups, constraints=constraints)

    def decode(self, sample: Sample) -> Packing:
        """The bin of every item, the first of several; None where it has none."""
        return tuple(
            next((b for b in range(self.bins) if sample[f"x[{i}][{b}]"]), None) for i in range(len(self.sizes))
        )

    def cost(self, value: Packing) -> float:
        """How many bins hold an item of a size above 0."""
        used = {bin_ for bin_, size in zip(value, self.sizes, strict=True) if bin_ is not None and size > 0.0}
        return float(len(used))

    def is_feasible(self, value: Packing) -> bool:
        """Whether every item is in a bin, and no bin holds more than its capacity."""
        if len(value) != len(self.sizes) or not all(bin_ in range(self.bins) for bin_ in value):
            return False
        loads = np.bincount(np.array(value, np.intp), self.sizes, self.bins)
        return bool((loads <= self.capacity).all())

    def answers(self) -> Iterator[Packing]:
        """All packings."""
        return filter(self.is_feasible, product(range(self.bins), repeat=len(self.sizes)))


def first_fit_decreasing(sizes: NDArray[np.float64], capacity: int) -> int:
    """How many bins the largest items first, each into the first bin that has room, fill: an upper bound."""
    room: list[float] = []
    for size in np.sort(sizes)[::-1]:
        for position, left in enumerate(room):
            if size <= left:
                room[position] -= size
                break
        else:
            room.append(capacity - size)
    return max(len(room), 1)

"""Set cover: the cheapest sets that together contain all elements."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from qubo_dnn.files.formats import read_instance
from qubo_dnn.problem import Problem
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.arrays import Vector
from qubo_formulations._shared.greedy import greedy_cover
from qubo_formulations._shared.models import from_arrays
from qubo_formulations._shared.set_families import SetFamily, Sets


class SetCover(SetFamily):
    """Choose the cheapest of the given sets whose union contains every element.

    Variables: `x[s]` = 1 takes set s; one per set.
    Objective: the sum of `c[s] x[s]`, minimised.
    Constraints: "element e", the sum of `x[s]` over the sets that contain e is at least 1.
    Start: sets in the order of their cost per element that they add.

    Args:
        sets: lists of elements.
        costs: costs of the sets, >= 0; None: every set costs 1.

    Raises:
        FormulationError: the list of sets is empty, or a cost is negative or not finite.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 5.1.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> from qubo_dnn.solving.solve import solve
        >>> cover = SetCover([["a", "b"], ["b", "c"], ["a", "b", "c"]], costs=[1, 1, 3])
        >>> sorted(solve(cover.compile(), get_backend("exact")).best.value)
        [0, 1]
    """

    name: ClassVar[str] = "set-cover"
    summary: ClassVar[str] = "the cheapest sets that contain all elements"
    formats: ClassVar[tuple[str, ...]] = ("set-cover",)

    @checked
    def __init__(self, sets: Sets, costs: Vector | None = None) -> None:
        super().__init__(sets, costs, "costs")

    @classmethod
    def read(cls, path: Path, format_name: str | None = None) -> dict[str, Any]:
        """Read the sets of an OR-Library file (`scp41.txt`)."""
        found = read_instance(path, cls.formats, format_name)
        sets: list[list[int]] = [[] for _ in found.costs]
        for element, covering in enumerate(found.rows):
            for position in covering:
                sets[position].append(element)
        return {"sets": sets, "costs": found.costs}

    @classmethod
    def example(cls, seed: int) -> Self:
        """7 sets over 6 elements, with costs from 1 to 9."""
        rng = np.random.default_rng(seed)
        sets = [rng.choice(6, 3, replace=False).tolist() for _ in range(6)]
        return cls([*sets, range(6)], rng.integers(1, 10, 7))

    def compile(self) -> Problem[frozenset[int]]:
        """Compile the problem, with one inequality per element."""
        return Problem(
            objective=from_arrays(self.labels, self.costs),
            decoder=self.decode,
            constraints=self.element_constraints(">="),
            start=self.encode(greedy_cover(self.sets, self.costs)),
        )

    def is_feasible(self, value: frozenset[int]) -> bool:
        """Return whether the sets of `value` contain every element."""
        known = super().is_feasible(value)
        return known and frozenset().union(*(self.sets[s] for s in value)) == self.members.keys()

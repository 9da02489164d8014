"""Travelling salesman: the shortest round trip through all cities."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from qubo_dnn.errors import FormulationError
from qubo_dnn.files.formats import read_instance
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.arrays import Matrix, as_square
from qubo_formulations._shared.assignments import Assignment
from qubo_formulations._shared.greedy import nearest_neighbours
from qubo_formulations._shared.models import from_arrays

Tour = tuple[int, ...]


class TravellingSalesman:
    """Find the shortest closed tour that visits each of n cities once.

    The tour starts at city 0; this loses no tour and saves 2 n - 1 variables.

    Variables: `x[c][t]` = 1 visits city c at position t, both from 1 to n - 1; (n - 1)^2 of them.
    Objective: the sum over c of `d[0,c] x[c][1] + d[c,0] x[c][n-1]`, plus the sum over t < n - 1 and c, e of
    `d[c,e] x[c][t] x[e][t+1]`, in the unit of d.
    Constraints: one position per city (one-hot), "position t": one city per position.
    Start: from each city to the nearest one that is left.
    Sufficient penalty, if no distance is negative: more than the length of any one tour, because an infeasible state
    costs at least one penalty and the optimum at most as much as that tour.

    Args:
        distances: [n, n] from city to city, n >= 3; may be asymmetric; the diagonal is ignored.

    Raises:
        FormulationError: the matrix is not square, has fewer than 3 rows, or an entry is not finite.

    Source: Lucas 2014, "Ising formulations of many NP problems", section 7.2.

    Example:
        >>> salesman = TravellingSalesman([[0, 1, 9, 1], [1, 0, 1, 9], [9, 1, 0, 1], [1, 9, 1, 0]])
        >>> salesman.compile().objective.num_variables, salesman.cost((0, 1, 2, 3)), salesman.cost((0, 2, 1, 3))
        (9, 4.0, 20.0)
    """

    name: ClassVar[str] = "travelling-salesman"
    summary: ClassVar[str] = "the shortest round trip through all cities"
    formats: ClassVar[tuple[str, ...]] = ("tsplib",)

    @checked
    def __init__(self, distances: Matrix) -> None:
        self.distances = as_square(distances, "distances")
        if len(self.distances) < 3:
            raise FormulationError(f"a tour has at least 3 cities, not {len(self.distances)}")
        self.assignment = Assignment("city", "position", len(self.distances) - 1, first=1)

    @classmethod
    def read(cls, path: Path, format_name: str | None = None) -> dict[str, Any]:
        """Read the distances of a TSPLIB file (`.tsp`)."""
        return {"distances": read_instance(path, cls.formats, format_name).distances}

    @classmethod
    def example(cls, seed: int) -> Self:
        """5 cities with asymmetric distances."""
        return cls(np.random.default_rng(seed).integers(1, 20, (5, 5)))

    def compile(self) -> Problem[Tour]:
        """Compile the problem; it has about n^3 interactions and is built from arrays."""
        size, d = self.assignment.size, self.distances
        linear = np.zeros((size, size))
        linear[:, 0] += d[0, 1:]
        linear[:, -1] += d[1:, 0]
        origin, target = np.nonzero(~np.eye(size, dtype=bool))
        before = np.arange(size - 1)
        objective = from_arrays(
            self.assignment.labels,
            linear.ravel(),
            (origin[:, None] * size + before).ravel(),
            (target[:, None] * size + before + 1).ravel(),
            np.repeat(d[origin + 1, target + 1], size - 1),
        )
        positive = d[~np.eye(len(d), dtype=bool)].min() >= 0.0
        visits = {f"x[{city}][{place}]" for place, city in enumerate(nearest_neighbours(d)) if place}
        return Problem(
            objective=objective,
            decoder=self.decode,
            start={label: int(label in visits) for label in self.assignment.labels},
            one_hot=self.assignment.one_hot,
            constraints=self.assignment.constraints,
            penalties=self.assignment.penalties(self.cost(tuple(range(len(self.distances))))) if positive else {},
        )

    def decode(self, sample: Sample) -> Tour:
        """Return the cities in order, from 0; ties are ordered by number, cities without a position left out."""
        places = self.assignment.places(sample)
        visited = [(place, city) for city, place in enumerate(places, start=1) if place is not None]
        return (0, *(city for _, city in sorted(visited)))

    def cost(self, value: Tour) -> float:
        """Return the length of the closed tour.

        Raises:
            FormulationError: `value` does not visit every city once.
        """
        if not self.is_feasible(value):
            raise FormulationError(f"{value} does not visit every city once")
        return float(self.distances[list(value), [*value[1:], value[0]]].sum())

    def is_feasible(self, value: Tour) -> bool:
        """Return whether every city is visited once."""
        return len(value) == len(self.distances) and set(value) == set(range(len(self.distances)))

    def answers(self) -> Iterator[Tour]:
        """Generate all tours from city 0."""
        return ((0, *rest) for rest in permutations(range(1, len(self.distances))))

"""Quadratic assignment: facilities to locations with the least total flow times distance."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import ClassVar, Self

import numpy as np

from qubo_dnn.errors import FormulationError
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.arrays import Matrix, as_square
from qubo_formulations._shared.assignments import Assignment
from qubo_formulations._shared.instances import FileInstance
from qubo_formulations._shared.models import from_arrays

Locations = tuple[int | None, ...]


class QuadraticAssignment(FileInstance):
    """Give every facility a location such that flow times distance, summed over all ordered pairs, is least.

    Variables: `x[i][p]` = 1 puts facility i at location p; n^2 of them.
    Objective: the sum over i, j, p, q of `flow[i,j] distance[p,q] x[i][p] x[j][q]`, counted as in QAPLIB: every pair in
    both directions, and the diagonals.
    Constraints: one location per facility (one-hot), "location p": one facility per location.
    Sufficient penalty, if no entry is negative: more than the cost of any one assignment, because an infeasible state
    costs at least one penalty and the optimum at most as much as that assignment.

    Args:
        flow: [n, n] flow between facilities.
        distance: [n, n] distance between locations.

    Raises:
        FormulationError: a matrix is not square or not finite, or they differ in size.

    Source: Koopmans & Beckmann 1957, "Assignment problems and the location of economic activities"; Burkard, Karisch &
    Rendl 1997 (QAPLIB).

    Example:
        >>> flow, distance = [[0, 5, 1], [5, 0, 1], [1, 1, 0]], [[0, 2, 1], [2, 0, 1], [1, 1, 0]]
        >>> assignment = QuadraticAssignment(flow, distance)
        >>> assignment.cost((0, 2, 1)), assignment.cost((0, 1, 2))
        (16.0, 24.0)
    """

    name: ClassVar[str] = "quadratic-assignment"
    summary: ClassVar[str] = "facilities to locations with the least flow times distance"
    formats: ClassVar[tuple[str, ...]] = ("qaplib",)

    @checked
    def __init__(self, flow: Matrix, distance: Matrix) -> None:
        self.flow, self.distance = as_square(flow, "flow"), as_square(distance, "distance")
        if len(self.flow) != len(self.distance):
            raise FormulationError(f"{len(self.flow)} facilities, but {len(self.distance)} locations")
        self.assignment = Assignment("facility", "location", len(self.flow))

    @classmethod
    def example(cls, seed: int) -> Self:
        """3 facilities with asymmetric flows and distances."""
        rng = np.random.default_rng(seed)
        return cls(rng.integers(0, 9, (3, 3)), rng.integers(0, 9, (3, 3)))

    def compile(self) -> Problem[Locations]:
        """Compile the problem; it has n^4 / 2 interactions and is built from arrays."""
        n = len(self.flow)
        i, j = np.triu_indices(n, 1)
        p, q = np.nonzero(~np.eye(n, dtype=bool))
        biases = np.outer(self.flow[i, j], self.distance[p, q]) + np.outer(self.flow[j, i], self.distance[q, p])
        pair, way = np.nonzero(biases)
        objective = from_arrays(
            self.assignment.labels,
            np.outer(np.diag(self.flow), np.diag(self.distance)).ravel(),
            i[pair] * n + p[way],
            j[pair] * n + q[way],
            biases[pair, way],
        )
        positive = min(self.flow.min(), self.distance.min()) >= 0.0
        return Problem(
            objective=objective,
            decoder=self.decode,
            one_hot=self.assignment.one_hot,
            constraints=self.assignment.constraints,
            penalties=self.assignment.penalties(self.cost(tuple(range(len(self.flow))))) if positive else {},
        )

    def decode(self, sample: Sample) -> Locations:
        """Return the location of every facility; None if it has none."""
        return tuple(self.assignment.places(sample))

    def cost(self, value: Locations) -> float:
        """Return flow times distance, summed over all ordered pairs of facilities.

        Raises:
            FormulationError: `value` is not a permutation of the locations.
        """
        if not self.is_feasible(value):
            raise FormulationError(f"{value} does not give every facility a different location")
        at = np.array(value, np.intp)
        return float((self.flow * self.distance[np.ix_(at, at)]).sum())

    def is_feasible(self, value: Locations) -> bool:
        """Return whether every facility has a location and no two share one."""
        return len(value) == len(self.flow) and set(value) == set(range(len(self.flow)))

    def answers(self) -> Iterator[Locations]:
        """Generate all permutations."""
        return permutations(range(len(self.flow)))

"""Instances that stand for a constrained problem, with penalties in its place."""

from __future__ import annotations

from pathlib import Path

import dimod
import numpy as np
from numpy.typing import NDArray

from bench.solvers.instance import renumbered
from qubo_formulations.quadratic_assignment import QuadraticAssignment

Matrix = NDArray[np.float64]


def assignment_penalty(flow: Matrix, distance: Matrix) -> float:
    """A penalty that no infeasible state gains by, far below the cost of a whole assignment.

    Of several facilities at a location, or locations of a facility, all but one can be taken away without loss, since
    costs are not negative. Then every facility that has no location can be given a free one: that saves two penalties,
    and costs no more than twice the value below, the largest sum of its flows, in both directions, times distances.

    Args:
        flow: [n, n], nowhere negative.
        distance: [n, n], nowhere negative.
    """
    # By the rearrangement inequality, the sum is largest with both sorted alike.
    sums = sum(_without_diagonal(f) @ _without_diagonal(d).T for f, d in ((flow, distance), (flow.T, distance.T)))
    worst = float(np.max(sums + np.outer(np.diag(flow), np.diag(distance))))
    return max(1.0, worst / 2.0)


def _without_diagonal(matrix: Matrix) -> Matrix:
    """[n, n - 1] the other entries of every row, sorted."""
    n = len(matrix)
    return np.sort(matrix[~np.eye(n, dtype=bool)].reshape(n, n - 1), axis=1)


def assignment(flow: Matrix, distance: Matrix) -> dimod.BinaryQuadraticModel:
    """A quadratic assignment problem with its one-hot constraints as penalties; feasible states have their cost."""
    problem = QuadraticAssignment(flow, distance).compile()
    weight = assignment_penalty(flow, distance)
    return renumbered(problem.bqm(dict.fromkeys((*problem.one_hot, *problem.constraints), weight)))


def grid(height: int, width: int, seed: int) -> tuple[Matrix, Matrix]:
    """[n, n] flows and distances of facilities on a grid, as Nugent, Vollmann and Ruml have them.

    Distances are those of a taxi; a third of the flows is 0, the others are 1 to 6.
    """
    rng = np.random.default_rng(seed)
    places = np.array([(row, column) for row in range(height) for column in range(width)])
    distance = np.abs(places[:, None] - places).sum(axis=2).astype(float)
    n = len(places)
    flow = np.triu(rng.integers(1, 7, (n, n)) * (rng.random((n, n)) < 2 / 3), 1).astype(float)
    return flow + flow.T, distance


def pruning_quantization(folder: Path | None, granularity: str, widths: tuple[int, ...]) -> dimod.BinaryQuadraticModel:
    """Options of the units of a network, as `solve` first asks a backend that knows no constraints.

    Its one-hot groups are penalties, its budget of 3 stored bits per weight is a linear term.

    Args:
        folder: see `bench.networks.loading.load`; None takes the zoo's network.
        granularity: unit of choice, see `qubo_dnn.compression.task.granularity`.
        widths: bits to choose from.
    """
    from bench.networks.problems import stored_cases
    from qubo_dnn.embedding.backend_model import make_backend_model

    (case,) = stored_cases(folder, 256, [granularity], [widths], 3.0)
    return renumbered(make_backend_model(case.problem, presolve=False).bqm)

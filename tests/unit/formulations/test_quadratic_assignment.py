from __future__ import annotations

import numpy as np
import pytest

from qubo_dnn.errors import FormulationError
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.quadratic_assignment import QuadraticAssignment


@pytest.mark.parametrize("name", ["pt", "tabu"])
def test_a_line_of_facilities_goes_along_a_line_of_locations(name: str) -> None:
    """A chain of flows on a shuffled line: every flow of 1 travels a distance of 1, counted in both directions."""
    order = np.random.default_rng(3).permutation(6)
    flow = np.zeros((6, 6))
    flow[order[:-1], order[1:]] = flow[order[1:], order[:-1]] = 1
    distance = np.abs(np.subtract.outer(range(6), range(6)))
    solution = solve(QuadraticAssignment(flow, distance).compile(), get_backend(name), {"seed": 1, "num_reads": 10})
    assert solution.best.feasible
    assert solution.best.objective == 10.0


def test_diagonals_count() -> None:
    formulation = QuadraticAssignment([[2, 0], [0, 1]], [[5, 0], [0, 3]])
    assert formulation.cost((0, 1)) == 13.0
    assert formulation.cost((1, 0)) == 11.0


def test_an_incomplete_assignment_decodes_with_what_is_missing() -> None:
    problem = QuadraticAssignment(np.ones((2, 2)), np.ones((2, 2))).compile()
    decoded = problem.decode({"x[0][0]": 1, "x[0][1]": 0, "x[1][0]": 0, "x[1][1]": 0})
    assert decoded.value == (0, None)
    assert decoded.violations == {"facility 1": 1.0, "location 1": 1.0}


def test_negative_entries_leave_no_sufficient_penalty_known() -> None:
    assert QuadraticAssignment([[0, -1], [1, 0]], np.ones((2, 2))).compile().penalties == {}


@pytest.mark.parametrize(
    ("flow", "distance", "text"),
    [
        ([[1, 2]], [[1]], r"flow has the shape \(1, 2\), not 1 x 1"),
        ([[1.0]], [[1, 2], [3, 4]], "1 facilities, but 2 locations"),
        ([["a"]], [[1]], "flow is not an array of numbers"),
        ([[1]], [[float("nan")]], "distance has an entry that is not a finite number"),
        ([], [], r"flow has the shape \(0,\), not n x n"),
    ],
)
def test_bad_matrices_are_refused(flow: list[list[float]], distance: list[list[float]], text: str) -> None:
    with pytest.raises(FormulationError, match=text):
        QuadraticAssignment(flow, distance)


def test_a_cost_is_of_whole_assignments() -> None:
    with pytest.raises(FormulationError, match="a different location"):
        QuadraticAssignment(np.ones((2, 2)), np.ones((2, 2))).cost((0, None))

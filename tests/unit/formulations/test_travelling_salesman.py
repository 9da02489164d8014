from __future__ import annotations

import numpy as np
import pytest

from qubo_dnn.errors import FormulationError
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.travelling_salesman import TravellingSalesman


def test_twelve_cities_on_a_circle_are_toured_around_it() -> None:
    angles = np.random.default_rng(0).permutation(12) * 2 * np.pi / 12
    points = np.column_stack([np.cos(angles), np.sin(angles)])
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    solution = solve(TravellingSalesman(distances).compile(), get_backend("pt"), {"seed": 1})
    assert solution.best.feasible
    assert solution.best.objective == pytest.approx(12 * 2 * np.sin(np.pi / 12))


def test_asymmetric_distances_count_in_the_direction_of_travel() -> None:
    distances = [[0, 1, 9], [9, 0, 1], [1, 9, 0]]
    formulation = TravellingSalesman(distances)
    assert (formulation.cost((0, 1, 2)), formulation.cost((0, 2, 1))) == (3.0, 27.0)
    assert solve(formulation.compile(), get_backend("exact")).best.value == (0, 1, 2)


def test_sixty_cities_have_one_variable_per_city_and_position_but_the_first() -> None:
    problem = TravellingSalesman(np.ones((60, 60))).compile()
    assert len(problem.variables) == 59**2
    assert problem.objective.num_interactions == 58 * 59 * 58


def test_cities_without_a_position_are_left_out() -> None:
    problem = TravellingSalesman(np.ones((4, 4))).compile()
    sample = dict.fromkeys(problem.variables, 0) | {"x[3][1]": 1, "x[1][2]": 1}
    decoded = problem.decode(sample)
    assert decoded.value == (0, 3, 1)
    assert decoded.violations == {"city 2": 1.0, "position 3": 1.0}


@pytest.mark.parametrize(
    ("distances", "text"),
    [(np.ones((2, 2)), "at least 3 cities, not 2"), (np.ones((3, 4)), "shape"), (np.full((3, 3), np.inf), "finite")],
)
def test_bad_distances_are_refused(distances: np.ndarray, text: str) -> None:
    with pytest.raises(FormulationError, match=text):
        TravellingSalesman(distances)


def test_a_length_is_of_whole_tours() -> None:
    with pytest.raises(FormulationError, match="every city once"):
        TravellingSalesman(np.ones((3, 3))).cost((0, 1))

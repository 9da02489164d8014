"""Starts drawn site by site: as Boltzmann has them, at prices at which inequalities hold on average."""

from __future__ import annotations

import dimod
import numpy as np
import pytest

from qubo_backends._pt.choices.feasible_start import left_sides
from qubo_backends._pt.choices.model import choice_problem
from qubo_backends._pt.choices.separable_start import draw_separable
from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import LowRank, Problem
from tests.unit.backends.pt.choices.problems import weighted


def test_without_couplings_sites_are_drawn_as_boltzmann_has_them() -> None:
    """A group of three and a free variable; half the square of a row of the factor counts too."""
    linear = {"a": 0.3, "b": -0.7, "c": 1.1, "d": 0.4}
    factor = np.array([[1.0], [0.0], [0.0], [-2.0]], np.float32)
    problem = Problem(
        objective=dimod.BinaryQuadraticModel(linear, {}, 0.0, dimod.BINARY),
        decoder=dict,
        one_hot={"g": ("c", "a", "b")},
        low_rank=LowRank(("a", "b", "c", "d"), factor),
    )
    choices = choice_problem(problem)
    count, temperature = 40_000, 0.8
    states = choices.states(draw_separable(choices.model, temperature, count, np.random.default_rng(0)))
    group = np.exp(-np.array([0.3 + 0.5, -0.7, 1.1]) / temperature)
    free = np.exp(-(0.4 + 2.0) / temperature)
    expected = np.append(group / group.sum(), free / (1.0 + free))
    assert states.mean(axis=0) == pytest.approx(expected, abs=4.0 * 0.5 / np.sqrt(count))


@pytest.mark.parametrize("temperature", [0.05, 0.5, 5.0])
def test_inequalities_that_bind_hold_on_average_and_others_do_not_matter(temperature: float) -> None:
    rng = np.random.default_rng(1)
    names = [f"x[{i}]" for i in range(400)]
    gains = dict(zip(names, (-rng.exponential(size=400)).tolist(), strict=True))
    costs = dict(zip(names, rng.uniform(1.0, 3.0, 400).tolist(), strict=True))
    others = dict(zip(names, rng.uniform(0.0, 1.0, 400).tolist(), strict=True))
    constraints = {
        "binds": Constraint(weighted(costs), "<=", 250.5),
        "demand": Constraint(weighted(others), ">=", 70.5),
        "idle": Constraint(weighted(others), "<=", 400.0),
    }
    objective = dimod.BinaryQuadraticModel(gains, {}, 0.0, dimod.BINARY)
    choices = choice_problem(Problem(objective=objective, decoder=dict, constraints=constraints))
    drawn = draw_separable(choices.model, temperature, 200, np.random.default_rng(2))
    sums = np.array([left_sides(choices.model, each)[0] for each in drawn])
    assert sums[:, 0].mean() == pytest.approx(250.5, rel=0.02)
    assert sums[:, 1].mean() >= 70.5 * 0.98
    assert len(np.unique(drawn, axis=0)) > 1

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.constraint import Constraint, Sense
from qubo_dnn.constraints.cutting_planes import CuttingPlanes
from qubo_dnn.constraints.lagrangian import typical_price
from qubo_dnn.local_search import LocalModel, LocalState
from qubo_dnn.problem import Problem

Choices = Callable[..., Problem[Any]]


def with_budgets(problem: Problem[Any], **budgets: tuple[Sequence[float], Sense, float]) -> Problem[Any]:
    """The problem with other constraints: label -> costs of all variables, sense, right side."""
    constraints = {}
    for label, (costs, sense, rhs) in budgets.items():
        lhs = dimod.BinaryQuadraticModel(dict(zip(problem.variables, costs, strict=True)), {}, 0.0, dimod.BINARY)
        constraints[label] = Constraint(lhs, sense, rhs)
    return replace(problem, constraints=constraints)


def by_descent(problem: Problem[Any]) -> CuttingPlanes:
    return CuttingPlanes.by_descent(start(problem))


def start(problem: Problem[Any]) -> LocalState:
    return LocalState(LocalModel(problem), np.zeros(len(problem.variables), np.int8))


def test_budgets_of_different_units_have_the_multipliers_they_have_alone(choices: Choices) -> None:
    """Unit u gives up 2 for 4u, a price of 2u, and the last one for 5u."""
    problem = with_budgets(choices(2), first=([0, 1, 3, 0, 0, 0], "<=", 1.5), second=([0, 0, 0, 0, 1, 3], "<=", 0.5))
    assert by_descent(problem).multipliers == pytest.approx([2.0, 10.0])


@pytest.mark.parametrize("order", [("loose", "tight"), ("tight", "loose")])
def test_a_budget_that_another_one_keeps_has_the_multiplier_zero(choices: Choices, order: tuple[str, ...]) -> None:
    limits = {"loose": 5.0, "tight": 3.0}
    budgets: dict[str, Any] = {label: ([0, 1, 3, 0, 1, 3], "<=", limits[label]) for label in order}
    multipliers = dict(zip(order, by_descent(with_budgets(choices(2), **budgets)).multipliers, strict=True))
    assert multipliers == pytest.approx({"loose": 0.0, "tight": 4.0})


def test_a_lower_bound_that_pulls_against_an_upper_one(choices: Choices) -> None:
    """To keep 3.5 of 6, unit 1 would give up 2 for 4 (a price of 2), but has to keep 2.5 of 3 itself."""
    problem = with_budgets(choices(2), upper=([0, 1, 3, 0, 1, 3], "<=", 3.5), lower=([0, 1, 3, 0, 0, 0], ">=", 2.5))
    # Unit 2 gives up 2 for 8, a price of 4, of which the lower bound gives 2 back to unit 1.
    assert by_descent(problem).multipliers == pytest.approx([4.0, 2.0])


def test_constraints_that_do_not_bind_have_no_multipliers(choices: Choices) -> None:
    problem = with_budgets(choices(2), one=([0, 1, 3, 0, 1, 3], "<=", 6.0), two=([0, 1, 3, 0, 0, 0], ">=", 3.0))
    assert by_descent(problem).multipliers.tolist() == [0.0, 0.0]


def test_a_constraint_out_of_reach_has_a_large_finite_multiplier(choices: Choices) -> None:
    problem = with_budgets(choices(2), one=([0, 1, 3, 0, 1, 3], "<=", -1.0), two=([0, 1, 3, 0, 0, 0], "<=", 3.0))
    first, _ = by_descent(problem).multipliers
    assert 1e3 < first < np.inf


def test_only_a_state_below_the_bound_changes_the_multipliers(choices: Choices) -> None:
    problem = with_budgets(choices(1), one=([0, 1, 3], "<=", 2.0), two=([0, 1, 3], "<=", 9.0))
    state = start(problem)
    planes = CuttingPlanes(state)
    assert planes.add(np.array([0.0, 3.0, 3.0]))
    # Nothing else is known: what breaks a constraint has to be as dear as can be.
    assert planes.multipliers[0] > 1e3
    assert planes.add(np.array([9.0, 0.0, 0.0]))
    assert planes.multipliers == pytest.approx([3.0, 0.0])
    assert not planes.add(np.array([9.0, 0.0, 0.0]))
    assert not planes.add(np.array([9.1, 0.0, 0.0]))
    assert planes.multipliers == pytest.approx([3.0, 0.0])
    # 4 + 3 (1 - 2) lies below 0 + 3 (3 - 2) and 9 + 3 (0 - 2); then 4 + m (1 - 2) meets m (3 - 2) at 2.
    assert planes.add(np.array([4.0, 1.0, 1.0]))
    assert planes.multipliers == pytest.approx([2.0, 0.0])


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_units_do_not_matter(choices: Choices, scale: float) -> None:
    problem = with_budgets(
        choices(2), first=([0, 1e6, 3e6, 0, 0, 0], "<=", 1.5e6), second=([0, 0, 0, 0, 1e-3, 3e-3], "<=", 5e-4)
    )
    objective = problem.objective.copy()
    objective.scale(scale)
    multipliers = by_descent(replace(problem, objective=objective)).multipliers
    assert multipliers == pytest.approx([2e-6 * scale, 1e4 * scale])


def test_after_the_deadline_there_is_one_descent_only_and_no_multiplier_beyond_the_typical_price(
    choices: Choices,
) -> None:
    state = start(with_budgets(choices(2), one=([0, 1, 3, 0, 1, 3], "<=", 3.0), two=([0, 1, 3, 0, 0, 0], "<=", 9.0)))
    planes = CuttingPlanes.by_descent(state, deadline=-math.inf)
    assert state.values.tolist() == [0.0, 6.0, 3.0]
    assert planes.multipliers == pytest.approx([typical_price(state, 0), 0.0])

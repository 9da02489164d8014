from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.constraints.local import LocalModel, LocalState
from qubo_dnn.constraints.repair import repair
from qubo_dnn.problem import Constraint, Problem

Choices = Callable[..., Problem[Any]]


def repaired(problem: Problem[Any], *values: int) -> LocalState:
    state = LocalState(LocalModel(problem), np.array(values, np.int8))
    repair(state)
    return state


def test_the_least_price_per_violation_is_paid_first(choices: Choices) -> None:
    """6 is 2 too much; unit 1 gives up 2 for 4, unit 2 would give up 2 for 8."""
    state = repaired(choices(2, "<=", 4.0), 0, 0, 1, 0, 0, 1)
    assert state.x.tolist() == [0, 1, 0, 0, 0, 1]


def test_what_is_left_of_a_budget_is_spent(choices: Choices) -> None:
    state = repaired(choices(2, "<=", 4.0), 1, 0, 0, 0, 1, 0)
    assert state.values.tolist() == [4.0, 4.0]


def test_moves_that_better_both_go_first() -> None:
    objective = dimod.BinaryQuadraticModel({"a": 2.0, "b": -1.0}, {}, 0.0, dimod.BINARY)
    load = dimod.BinaryQuadraticModel({"a": 1.0, "b": 1.0}, {}, 0.0, dimod.BINARY)
    problem = Problem(objective=objective, decoder=dict, constraints={"load": Constraint(load, "<=", 1.0)})
    assert repaired(problem, 1, 1).x.tolist() == [0, 1]


def test_a_budget_out_of_reach_is_approached_as_far_as_moves_lead(choices: Choices) -> None:
    state = repaired(choices(2, "<=", -1.0), 0, 0, 1, 0, 0, 1)
    assert state.values.tolist() == [27.0, 0.0]
    assert state.violation == 1.0


def test_an_equality_is_met_where_single_moves_lead_there(choices: Choices) -> None:
    assert repaired(choices(3, "==", 5.0), 0, 0, 1, 0, 0, 1, 0, 0, 1).violation == 0.0


def test_several_constraints_are_mended_together() -> None:
    objective = dimod.BinaryQuadraticModel({"a": -1.0, "b": -2.0, "c": -3.0}, {}, 0.0, dimod.BINARY)
    first = dimod.BinaryQuadraticModel({"a": 1.0, "b": 1.0, "c": 1.0}, {}, 0.0, dimod.BINARY)
    second = dimod.BinaryQuadraticModel({}, {("b", "c"): 1.0}, 0.0, dimod.BINARY)
    constraints = {"two": Constraint(first, "<=", 2.0), "apart": Constraint(second, "<=", 0.0)}
    problem = Problem(objective=objective, decoder=dict, constraints=constraints)
    state = repaired(problem, 1, 1, 1)
    assert state.x.tolist() == [1, 0, 1]
    assert state.values[0] == pytest.approx(-4.0)


def test_a_problem_without_constraints_is_only_improved(choices: Choices) -> None:
    assert repaired(choices(2), 1, 0, 0, 1, 0, 0).values.tolist() == [0.0]

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.constraint import Constraint
from qubo_dnn.constraints.repair import exchange, repair
from qubo_dnn.local_search import LocalModel, LocalState
from qubo_dnn.problem import Problem

Choices = Callable[..., Problem[Any]]


def repaired(problem: Problem[Any], *values: int) -> LocalState:
    state = LocalState(LocalModel(problem), np.array(values, np.int8))
    repair(state)
    exchange(state)
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


def test_constraints_that_block_each_other_are_escaped_from() -> None:
    """From 100 every flip breaks more than it mends; 011 is the only state that keeps both."""
    objective = dimod.BinaryQuadraticModel({"a": 0.0, "b": 1.0, "c": 1.0}, {}, 0.0, dimod.BINARY)
    load = dimod.BinaryQuadraticModel({"a": 9.0, "b": 4.0, "c": 4.0}, {}, 0.0, dimod.BINARY)
    constraints = {"most": Constraint(load, "<=", 8.0), "least": Constraint(load, ">=", 8.0)}
    problem = Problem(objective=objective, decoder=dict, constraints=constraints)
    assert repaired(problem, 1, 0, 0).x.tolist() == [0, 1, 1]


def test_constraints_that_nothing_meets_are_left_nearest_to() -> None:
    """From 8 by 111, past 1 and 3, to a load of 4: the least violated of all states on the way."""
    objective = dimod.BinaryQuadraticModel({"a": 0.0, "b": 0.0, "c": 0.0}, {}, 0.0, dimod.BINARY)
    load = dimod.BinaryQuadraticModel({"a": 1.0, "b": 3.0, "c": 4.0}, {}, 0.0, dimod.BINARY)
    constraints = {"most": Constraint(load, "<=", 6.0), "least": Constraint(load, ">=", 6.5)}
    state = repaired(Problem(objective=objective, decoder=dict, constraints=constraints), 1, 1, 1)
    assert state.x.tolist() == [0, 1, 1]
    assert state.violation == pytest.approx(1.0 / 6.0)


def test_after_the_deadline_a_state_is_made_feasible_but_not_improved(choices: Choices) -> None:
    state = LocalState(LocalModel(choices(2, "<=", 4.0)), np.array([0, 0, 1, 0, 0, 1], np.int8))
    repair(state, deadline=-math.inf)
    assert state.values.tolist() == [4.0, 4.0]
    state = LocalState(state.model, np.array([1, 0, 0, 1, 0, 0], np.int8))
    repair(state, deadline=-math.inf)
    assert state.values.tolist() == [27.0, 0.0]


def test_a_problem_without_constraints_is_only_improved(choices: Choices) -> None:
    assert repaired(choices(2), 1, 0, 0, 1, 0, 0).values.tolist() == [0.0]


def test_an_exchange_goes_where_single_moves_do_not_lead() -> None:
    """From b and c of weight 5, only taking b out for a leads to the best load of 6, worth 10."""
    objective = dimod.BinaryQuadraticModel({"a": -6.0, "b": -5.0, "c": -4.0, "d": -3.0}, {}, 0.0, dimod.BINARY)
    objective.add_quadratic("a", "b", -20.0)
    load = dimod.BinaryQuadraticModel({"a": 4.0, "b": 3.0, "c": 2.0, "d": 2.0}, {}, 0.0, dimod.BINARY)
    problem = Problem(objective=objective, decoder=dict, constraints={"load": Constraint(load, "<=", 6.0)})
    state = repaired(problem, 0, 1, 1, 0)
    assert state.x.tolist() == [1, 0, 1, 0]
    assert state.values.tolist() == [-10.0, 6.0]

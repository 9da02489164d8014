from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qubo_dnn.constraints.lagrangian import MultiplierSearch, bisect_locally, check_relaxable, typical_price, weights
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.local_search import LocalModel, LocalState
from qubo_dnn.problem import Problem

Choices = Callable[..., Problem[Any]]


def start(problem: Problem[Any]) -> LocalState:
    return LocalState(LocalModel(problem), np.zeros(len(problem.variables), np.int8))


def test_a_budget_that_does_not_bind_has_the_multiplier_zero(choices: Choices) -> None:
    state = start(choices(3, "<=", 9.0))
    assert bisect_locally(state) == 0.0
    assert state.values.tolist() == [0.0, 9.0]


@pytest.mark.parametrize(
    ("budget", "multiplier", "objective", "cost"),
    [
        # Unit u gives up 2 bits for 4u (price 2u), then the last bit for 5u; cheapest prices first.
        (8.0, 2.0, 4.0, 7.0),
        (6.9, 4.0, 12.0, 5.0),
        (4.0, 5.0, 17.0, 4.0),
        (3.0, 6.0, 29.0, 2.0),
        (0.0, 15.0, 54.0, 0.0),
    ],
)
def test_the_multiplier_is_the_price_of_the_last_bit_given_up(
    choices: Choices, budget: float, multiplier: float, objective: float, cost: float
) -> None:
    state = start(choices(3, "<=", budget))
    assert bisect_locally(state) == pytest.approx(multiplier, rel=2e-3)
    assert state.values.tolist() == [objective, cost]


def test_a_lower_bound_is_met_from_the_other_side(choices: Choices) -> None:
    """With the objective reversed every unit wants the first option, and a unit of cost is worth 5u, then 2u."""
    problem = choices(2, ">=", 3.0)
    reverse = problem.objective.copy()
    reverse.scale(-1.0)
    state = start(Problem(objective=reverse, decoder=dict, one_hot=problem.one_hot, constraints=problem.constraints))
    multiplier = bisect_locally(state)
    # From cost 0 to 3, unit 1 loses 9 and unit 2 loses 18: 3 per unit of cost, the chord over the middle option.
    assert multiplier == pytest.approx(3.0, rel=2e-3)
    assert state.values.tolist() == [-18.0, 3.0]


@pytest.mark.parametrize(("sense", "rhs"), [("<=", -1.0), (">=", 10.0)])
def test_a_constraint_out_of_reach_ends_the_search_nearest_to_it(choices: Choices, sense: str, rhs: float) -> None:
    state = start(choices(3, sense, rhs))
    multiplier = bisect_locally(state)
    assert 0.0 < multiplier < 1e12
    assert state.values[1] == (0.0 if sense == "<=" else 9.0)
    assert state.violation > 0.0


@pytest.mark.parametrize("growth", [1.2, 4.0])
@pytest.mark.parametrize("threshold", [1e-5, 0.37, 1.0, 2e4])
def test_the_search_closes_in_on_the_threshold(growth: float, threshold: float) -> None:
    search, steps = MultiplierSearch(1.0, growth), 0
    while not search.settled and steps < 200:
        search.feedback(search.multiplier >= threshold)
        steps += 1
    assert search.settled
    assert search.multiplier == pytest.approx(threshold, rel=1e-3)


@pytest.mark.parametrize("met", [True, False])
def test_the_search_gives_up_where_all_or_none_meet_the_constraint(met: bool) -> None:
    search, steps = MultiplierSearch(3.0, 4.0), 0
    while not search.settled:
        search.feedback(met)
        steps += 1
    assert steps < 20
    assert math.isfinite(search.multiplier)
    assert search.multiplier > 0.0


def test_weights_reward_what_a_lower_bound_asks_for() -> None:
    assert weights(["<=", ">="], np.array([2.0, 3.0])).tolist() == [1.0, 2.0, -3.0]
    assert weights([], np.zeros(0)).tolist() == [1.0]


def test_the_typical_price_is_the_median_over_moves(choices: Choices) -> None:
    state = LocalState(LocalModel(choices(1, "<=", 3.0)), np.array([0, 0, 1], np.int8))
    assert typical_price(state, 0) == np.median([9 / 3, 4 / 2])


def test_without_a_move_that_changes_both_the_typical_price_is_one(choices: Choices) -> None:
    problem = choices(1, "<=", 3.0)
    flat = problem.objective.copy()
    flat.scale(0.0)
    flat = Problem(objective=flat, decoder=dict, one_hot=problem.one_hot, constraints=problem.constraints)
    assert typical_price(start(flat), 0) == 1.0


def test_after_the_deadline_the_multiplier_is_the_first_that_was_tried(choices: Choices) -> None:
    state = start(choices(3, "<=", 4.0))
    multiplier = bisect_locally(state, deadline=-math.inf)
    assert multiplier == typical_price(state, 0)
    assert state.values.tolist() == [0.0, 9.0]


def test_an_equality_is_refused_by_name(choices: Choices) -> None:
    check_relaxable(
        {"low": choices(1, ">=", 1.0).constraints["budget"], "high": choices(1, "<=", 1.0).constraints["budget"]}
    )
    with pytest.raises(UnsupportedProblemError, match="'count' is an equality"):
        check_relaxable({"count": choices(1, "==", 1.0).constraints["budget"]})

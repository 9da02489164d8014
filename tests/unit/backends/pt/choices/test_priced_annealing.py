"""States annealed at prices, and quenches over all pairs of an inequality."""

from __future__ import annotations

from typing import Any, Literal

import dimod
import numpy as np
import pytest
from numpy.typing import NDArray

from qubo_backends._pt.choices.energies import new_workspace
from qubo_backends._pt.choices.model import ChoiceProblem, choice_problem
from qubo_backends._pt.choices.priced_annealing import anneal_at_prices
from qubo_backends._pt.choices.replicas import Replicas, replicas_of
from qubo_backends._pt.choices.sweeps import quench
from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve

REPLICAS = 4


def knapsack(values: NDArray[Any], weights: NDArray[Any], capacity: float, sense: Literal["<=", ">="]) -> Problem[Any]:
    """Most value within a capacity; with ">=", least value left in the knapsack while as much weight is taken out."""
    kept = sense == "<="
    objective = dimod.BinaryQuadraticModel(dict(enumerate((-values if kept else values).tolist())), {}, 0.0, "BINARY")
    load = dimod.BinaryQuadraticModel(dict(enumerate(weights.tolist())), {}, 0.0, "BINARY")
    rhs = capacity if kept else float(weights.sum()) - capacity
    return Problem(objective=objective, decoder=dict, constraints={"capacity": Constraint(load, sense, rhs)})


def correlated(seed: int, items: int = 60) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Values, weights and capacity of a strongly correlated knapsack (Pisinger 2005)."""
    weights = np.random.default_rng(seed).integers(1, 501, items)
    return weights + 50, weights, int(weights.sum()) // 2


def most_value(values: NDArray[np.int64], weights: NDArray[np.int64], capacity: int) -> int:
    """By dynamic programming."""
    best = np.zeros(capacity + 1, np.int64)
    for value, weight in zip(values, weights, strict=True):
        best[weight:] = np.maximum(best[weight:], best[: len(best) - weight] + value)
    return int(best[-1])


def annealed(problem: Problem[Any], seed: int) -> tuple[ChoiceProblem, Replicas]:
    choices, rng = choice_problem(problem), np.random.default_rng(seed)
    model = choices.model
    start = rng.integers(0, model.sizes, (REPLICAS, len(model.sizes)), np.int32)
    replicas = replicas_of(model, start, rng)
    anneal_at_prices(model, replicas, choices.constraints.scales, 1.0, new_workspace(model, REPLICAS))
    return choices, replicas


@pytest.mark.parametrize("sense", ["<=", ">="])
@pytest.mark.parametrize("seed", range(3))
def test_a_knapsack_is_filled_greedily_and_never_beyond_its_capacity(seed: int, sense: Literal["<=", ">="]) -> None:
    values, weights, capacity = correlated(seed)
    choices, replicas = annealed(knapsack(values, weights, capacity, sense), seed)
    states = choices.states(replicas.choices)
    taken = states if sense == "<=" else 1 - states
    assert (taken @ weights <= capacity).all()
    # Energies are exact again.
    gained = taken @ values
    assert (-replicas.energies if sense == "<=" else values.sum() - replicas.energies) == pytest.approx(gained)
    # The bound of greedy algorithms: the optimum less the most that an item is worth.
    assert gained.max() >= most_value(values, weights, capacity) - values.max()


def test_a_quench_ends_where_no_pair_of_items_can_be_exchanged() -> None:
    values, weights, capacity = correlated(7)
    choices, replicas = annealed(knapsack(values, weights, capacity, "<="), 7)
    quench(choices.model, replicas, 1.0, 1000, new_workspace(choices.model, REPLICAS))
    for state in choices.states(replicas.choices):
        rest = capacity - int(state @ weights)
        assert rest >= 0
        outside = np.flatnonzero(state == 0)
        assert (weights[outside] > rest).all()
        for i in np.flatnonzero(state):
            fits = weights[outside] <= rest + weights[i]
            assert (values[outside[fits]] <= values[i]).all()


def test_correlated_knapsacks_are_solved_within_a_thousandth() -> None:
    for seed in range(3):
        values, weights, capacity = correlated(seed, items=100)
        solution = solve(
            knapsack(values, weights, capacity, "<="), get_backend("pt"), {"seed": seed, "num_sweeps": 100}
        )
        assert solution.best.feasible
        assert -solution.best.objective >= 0.999 * most_value(values, weights, capacity)


def test_groups_within_a_budget_come_near_the_bound_of_its_price() -> None:
    """400 groups of four options, whose losses add up: the best price bounds the optimum from below (Everett 1963)."""
    rng, groups = np.random.default_rng(5), 400
    losses = np.exp(rng.normal(size=(groups, 1))) * [8.0, 2.0, 0.5, 0.1]
    costs = np.array([0.0, 2.0, 4.0, 8.0]) * rng.integers(1, 5, (groups, 1))
    limit = 0.5 * float(costs.max(axis=1).sum())
    names = np.arange(4 * groups).reshape(groups, 4)

    def linear(numbers: NDArray[Any]) -> dimod.BinaryQuadraticModel:
        return dimod.BinaryQuadraticModel(dict(enumerate(numbers.ravel().tolist())), {}, 0.0, "BINARY")

    problem = Problem(
        objective=linear(losses),
        decoder=dict,
        one_hot={str(g): tuple(row) for g, row in enumerate(names.tolist())},
        constraints={"budget": Constraint(linear(costs), "<=", limit)},
    )
    bound = max((losses + p * costs).min(axis=1).sum() - p * limit for p in np.geomspace(1e-4, 10.0, 2000))
    choices, replicas = annealed(problem, 5)
    assert (choices.states(replicas.choices) @ costs.ravel() <= limit + 1e-6).all()
    assert replicas.energies.min() <= bound * 1.005


def test_the_annealing_ends_when_the_time_is_up() -> None:
    values, weights, capacity = correlated(3)
    choices, rng, calls = choice_problem(knapsack(values, weights, capacity, "<=")), np.random.default_rng(3), []

    def over() -> bool:
        calls.append(1)
        return len(calls) > 5

    model = choices.model
    start = rng.integers(0, model.sizes, (REPLICAS, len(model.sizes)), np.int32)
    replicas = replicas_of(model, start, rng)
    anneal_at_prices(model, replicas, choices.constraints.scales, 1.0, new_workspace(model, REPLICAS), over)
    # Once in each of the two phases that follow.
    assert len(calls) == 8

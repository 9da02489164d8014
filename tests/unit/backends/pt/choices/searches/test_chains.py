"""Searches by ejection chains: where they apply, that they reach optima, and that the engine searches by them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qubo_backends._pt.choices.engine import ChoiceEngine
from qubo_backends._pt.choices.model import choice_problem
from qubo_backends._pt.choices.searches.chains import ChainSearches, chains_help
from qubo_dnn.problem import Problem
from tests.unit.backends.pt.choices.problems import KINDS
from tests.unit.backends.pt.choices.test_priced_annealing import correlated, knapsack, most_value


def test_problems_without_inequalities_have_no_chains() -> None:
    without = {kind for kind in KINDS if not chains_help(choice_problem(KINDS[kind](0)).model)}
    assert without == {"free", "assignment", "assignment, low rank"}


@pytest.mark.parametrize("seed", range(3))
def test_correlated_knapsacks_are_solved(seed: int) -> None:
    values, weights, capacity = correlated(seed, items=100)
    problem = knapsack(values, weights, capacity, "<=")
    choices = choice_problem(problem)
    searches = ChainSearches(choices.model, choices.constraints.scales, 1000, np.random.default_rng(seed))
    known, least = np.zeros(100, np.int32), 0.0
    for _ in range(10):
        found, energy = searches.search(known, None)
        if energy < least:
            known, least = found, energy
    assert -least == most_value(values, weights, capacity)
    assert choices.states(known[None])[0] @ weights <= capacity


def engine_of(problem: Problem[Any], **options: Any) -> ChoiceEngine:
    values: dict[str, Any] = {"num_replicas": 4, "seed": np.random.SeedSequence(0)} | options
    return ChoiceEngine(choice_problem(problem), **values)


def test_a_target_that_chains_reach_needs_no_sweeps() -> None:
    values, weights, capacity = correlated(1)
    optimum = -most_value(values, weights, capacity)
    engine = engine_of(knapsack(values, weights, capacity, "<="), target=optimum)
    assert engine.reached
    engine.advance(10)
    assert (engine.sweeps, engine.elite.best_energy) == (0, optimum)
    assert engine.report()["temperatures"] == []


def test_chains_are_searched_again_between_sweeps() -> None:
    values, weights, capacity = correlated(2)
    engine = engine_of(knapsack(values, weights, capacity, "<="))
    before = engine._searches["chain"].kind.count
    engine.advance(400)
    assert engine._searches["chain"].kind.count > before > 0

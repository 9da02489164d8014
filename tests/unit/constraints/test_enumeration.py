"""Listing the states that keep the groups finds the optimum that brute force finds."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import product
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.constraint import Constraint
from qubo_dnn.constraints.enumeration import enumerated_optimum
from qubo_dnn.problem import LowRank, Problem


def random_problem(seed: int, limit: float) -> Problem[dict[Any, int]]:
    rng = np.random.default_rng(seed)
    bqm = dimod.BinaryQuadraticModel(rng.normal(size=8), np.triu(rng.normal(size=(8, 8)), 1), 0.7, dimod.BINARY)
    budget = dimod.BinaryQuadraticModel({v: float(rng.integers(0, 5)) for v in range(8)}, {}, 0.5, dimod.BINARY)
    return Problem(
        objective=bqm,
        decoder=dict,
        one_hot={"a": (3, 0, 5), "b": (1, 6)},
        constraints={"budget": Constraint(budget, "<=", limit)},
    )


@pytest.mark.parametrize("seed", range(10))
def test_it_is_that_of_brute_force(seed: int) -> None:
    problem = random_problem(seed, 8.0)
    states: Iterator[dict[Hashable, int]] = (dict(enumerate(bits)) for bits in product((0, 1), repeat=8))
    expected = min(problem.objective.energy(state) for state in states if not problem.violations(state))
    assert enumerated_optimum(problem) == pytest.approx(expected, abs=1e-12)


def test_nothing_feasible_is_infinitely_high() -> None:
    assert enumerated_optimum(random_problem(0, -1.0)) == np.inf


def test_too_many_states_are_not_listed() -> None:
    empty = dimod.BinaryQuadraticModel(np.zeros(21), np.zeros((21, 21)), dimod.BINARY)
    assert enumerated_optimum(Problem(objective=empty, decoder=dict)) is None
    factor = LowRank((0, 1), np.ones((2, 1), np.float32))
    small = dimod.BinaryQuadraticModel(np.zeros(2), np.zeros((2, 2)), dimod.BINARY)
    assert enumerated_optimum(Problem(objective=small, decoder=dict, low_rank=factor)) is None
    square = Constraint(dimod.BinaryQuadraticModel({}, {(0, 1): 1.0}, 0.0, dimod.BINARY), "<=", 0.0)
    assert enumerated_optimum(Problem(objective=small, decoder=dict, constraints={"c": square})) is None

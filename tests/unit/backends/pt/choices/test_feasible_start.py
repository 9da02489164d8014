"""Walks lead states within the constraints, and end with the clock, or soon where one arrived and others do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qubo_backends._pt.choices import feasible_start
from qubo_backends._pt.choices.feasible_start import left_sides, repair
from qubo_backends._pt.choices.model import ChoiceProblem, choice_problem
from qubo_formulations.bin_packing import BinPacking


@pytest.fixture
def packing() -> ChoiceProblem:
    return choice_problem(BinPacking([7, 6, 5, 4, 4, 3, 3], 10, bins=4).compile())


def test_states_end_within_the_constraints(packing: ChoiceProblem) -> None:
    model, rng = packing.model, np.random.default_rng(0)
    states = rng.integers(0, model.sizes, (20, len(model.sizes)), dtype=np.int32)
    violations = repair(model, packing.constraints.scales, states, rng, lambda: False)
    assert violations.min() == 0.0
    for state in states[violations == 0.0]:
        sums, _ = left_sides(model, state)
        assert (sums <= model.uppers).all()


def test_the_end_of_the_time_leaves_one_walk(packing: ChoiceProblem) -> None:
    model, rng = packing.model, np.random.default_rng(0)
    states = rng.integers(0, model.sizes, (3, len(model.sizes)), dtype=np.int32)
    given = states.copy()
    violations = repair(model, packing.constraints.scales, states, rng, lambda: True)
    assert np.isfinite(violations).tolist() == [True, False, False]
    assert np.array_equal(states[1:], given[1:])


def test_walks_give_up_sooner_once_one_has_arrived(packing: ChoiceProblem, monkeypatch: pytest.MonkeyPatch) -> None:
    patiences: list[int] = []

    def walk(*arguments: Any) -> float:
        patiences.append(arguments[-1])
        return [1.0, 0.0, 1.0, 1.0, 0.0, 1.0][len(patiences) - 1]

    monkeypatch.setattr(feasible_start, "min_conflicts", walk)
    model, rng = packing.model, np.random.default_rng(0)
    states = np.zeros((6, len(model.sizes)), np.int32)
    repair(model, packing.constraints.scales, states, rng, lambda: False)
    first = patiences[0]
    assert patiences == [first, first, first, first // 2, first // 4, first // 4]

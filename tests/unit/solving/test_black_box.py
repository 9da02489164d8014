"""Minimising a function in place of an objective, with any backend that can."""

from __future__ import annotations

from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.backend import Backend
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.errors import OptionError, UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.black_box import solve_black_box
from qubo_dnn.testing.backend_cases.constraints import constrained_problem

KEPT = frozenset({ConstraintKind.ONE_HOT, ConstraintKind.INEQUALITY})


@pytest.fixture
def genetic() -> Backend:
    pytest.importorskip("pymoo", reason="needs the extra genetic")
    return get_backend("genetic")


def ones(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows.sum(axis=1), float)


def test_candidates_are_different_feasible_and_sorted_by_the_function(genetic: Backend) -> None:
    problem = constrained_problem(KEPT, 1)
    heard: list[Any] = []
    found = solve_black_box(problem, genetic, ones, {"seed": 1, "generations": 20}, heard.append, num_solutions=5)
    assert found.best.objective == 2.0  # one of each group, one of which meets the demand
    objectives = [each.objective for each in found.candidates]
    assert objectives == sorted(objectives)
    assert len({tuple(each.value.items()) for each in found.candidates}) == 5
    assert all(each.feasible for each in found.candidates)
    assert [sum(each.value.values()) for each in found.candidates] == objectives
    assert found.sample == found.best.value
    assert heard == list(found.calls)
    assert (found.seed, found.calls[0].objective, found.repaired) == (1, 2.0, False)


def test_objectives_are_told_in_the_sense_of_the_problem(genetic: Backend) -> None:
    objective = dimod.BinaryQuadraticModel(dict.fromkeys("ab", 0.0), {}, 0.0, "BINARY")
    problem = Problem(objective=objective, decoder=dict, sense="max")
    found = solve_black_box(problem, genetic, lambda rows: -ones(rows), {"seed": 1, "generations": 5})
    assert (found.best.objective, found.best.value) == (2.0, {"a": 1, "b": 1})


def test_a_run_without_a_seed_can_be_repeated_from_the_one_it_tells(genetic: Backend) -> None:
    problem = constrained_problem(KEPT, 2)
    first = solve_black_box(problem, genetic, ones, {"generations": 3})
    again = solve_black_box(problem, genetic, ones, {"generations": 3, "seed": first.seed})
    assert first.sample == again.sample


def test_backends_that_know_models_only_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedProblemError, match="'pt' minimises models only"):
        solve_black_box(constrained_problem(KEPT, 1), get_backend("pt"), ones)


def test_constraints_that_are_not_kept_are_refused_by_their_kind(genetic: Backend) -> None:
    problem = constrained_problem(KEPT | {ConstraintKind.QUADRATIC_EQUALITY}, 1)
    with pytest.raises(UnsupportedProblemError, match="does not keep constraints of the kind quadratic"):
        solve_black_box(problem, genetic, ones)


def test_options_are_checked_as_for_the_model(genetic: Backend) -> None:
    with pytest.raises(OptionError, match="did you mean 'generations'"):
        solve_black_box(constrained_problem(KEPT, 1), genetic, ones, {"generation": 3})

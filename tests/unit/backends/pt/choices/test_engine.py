"""The engine over choices: what is kept incrementally, in which precision, and what is reported."""

from __future__ import annotations

from typing import Any

import dimod
import numpy as np
import pytest

from qubo_backends._pt.choices.energies import new_workspace
from qubo_backends._pt.choices.engine import ChoiceEngine
from qubo_backends._pt.choices.model import choice_problem
from qubo_backends._pt.choices.replicas import replicas_of
from qubo_backends._pt.choices.sweeps import sum_up
from qubo_dnn.problem import Problem
from tests.unit.backends.pt.choices.problems import KINDS, budget, feasible_states, with_form


def engine_of(problem: Problem[Any], **options: Any) -> ChoiceEngine:
    values: dict[str, Any] = {"num_replicas": 4, "seed": np.random.SeedSequence(0), "keep": 3} | options
    return ChoiceEngine(choice_problem(problem), **values)


@pytest.mark.parametrize("kind", KINDS)
def test_states_go_to_options_and_back(kind: str) -> None:
    problem = KINDS[kind](0)
    choices = choice_problem(problem)
    states = feasible_states(problem)[0]
    assert np.array_equal(choices.states(choices.choices(states)), states)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_incrementally_is_what_a_sum_gives(kind: str) -> None:
    problem = KINDS[kind](4)
    engine = engine_of(problem)
    engine.advance(63)
    kept = engine._replicas
    assert kept is not None
    fresh = replicas_of(engine.choices.model, kept.choices, np.random.default_rng(0))
    sum_up(engine.choices.model, fresh, new_workspace(engine.choices.model, 4))
    for name in ("fields", "sums", "energies"):
        assert getattr(kept, name) == pytest.approx(getattr(fresh, name), abs=1e-4 if "low rank" in kind else 1e-12)


def test_projections_are_in_single_precision_where_that_suffices() -> None:
    assert engine_of(with_form(budget(1), 1, rank=3))._replicas.projections.dtype == np.float32  # type: ignore[union-attr]


@pytest.mark.slow  # nothing else compiles the kernels for double precision
def test_projections_in_double_precision_lead_to_the_optimum() -> None:
    problem = with_form(budget(1), 1, rank=3)
    cold = engine_of(problem, temperatures=(1e-7, 1.0))
    assert cold._replicas.projections.dtype == np.float64  # type: ignore[union-attr]
    cold.advance(200)
    assert cold.elite.best_energy + float(problem.objective.offset) == pytest.approx(feasible_states(problem)[1].min())


def test_reports_say_what_happened() -> None:
    engine = engine_of(budget(0), temperatures=(0.1, 3.0))
    engine.advance(300)
    report = engine.report()
    assert report["temperatures"] == pytest.approx(np.geomspace(0.1, 3.0, 4))
    assert len(report["move_acceptance"]) == 4
    assert report["move_acceptance"][0] < report["move_acceptance"][-1] <= 1.0
    assert len(report["exchange_acceptance"]) == 3
    assert all(0.0 < rate <= 1.0 for rate in report["exchange_acceptance"])
    assert report["round_trips"] > 0
    assert engine.attempts == 300 * engine.attempts_per_sweep > 0


def test_without_variables_there_is_one_state() -> None:
    empty: Problem[Any] = Problem(objective=dimod.BinaryQuadraticModel({}, {}, 2.0, dimod.BINARY), decoder=dict)
    engine = engine_of(empty)
    engine.advance(20)
    assert (engine.elite.energies, engine.attempts) == ([0.0], 0)

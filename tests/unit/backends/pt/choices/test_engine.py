"""The engine over choices: starts, warm starts, what is kept incrementally, what cannot be met, and the ladder."""

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
from qubo_backends._pt.choices.temperatures import float32_suffices, space_temperatures
from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem
from tests.unit.backends.pt.choices.problems import KINDS, budget, feasible_states, objective, weighted, with_form


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


@pytest.mark.parametrize("kind", ["budget", "assignment", "selection"])
def test_states_to_start_from_are_offered_and_mended(kind: str) -> None:
    problem = KINDS[kind](5)
    states, energies = feasible_states(problem)
    best = states[[np.argmin(energies)]]
    engine = engine_of(problem, initial_states=best)
    assert engine.elite.best_energy + float(problem.objective.offset) == pytest.approx(energies.min())
    broken = np.ones_like(best)
    mended = engine_of(problem, initial_states=broken)
    known = {state.tobytes() for state in states}
    assert mended.elite.states
    assert all(state.tobytes() in known for state in mended.elite.states)


@pytest.mark.parametrize("kind", ["budget", "assignment", "selection"])
def test_states_that_join_leave_the_others_to_chance(kind: str) -> None:
    problem = KINDS[kind](5)
    states, energies = feasible_states(problem)
    best = states[[np.argmin(energies)]]
    engine = engine_of(problem, initial_states=best, joining=True)
    assert engine.elite.best_energy + float(problem.objective.offset) == pytest.approx(energies.min())
    engine.advance(16)
    assert engine._replicas is not None
    assert len(np.unique(engine._replicas.choices, axis=0)) > 1
    engine.advance(48)
    assert engine._replicas.energies.min() == pytest.approx(engine.elite.best_energy)


def test_where_nothing_is_feasible_the_least_violated_is_kept() -> None:
    constraints = {
        "many": Constraint(weighted({"x[0]": 1.0, "x[1]": 1.0, "x[2]": 1.0}), ">=", 3.5),
        "few": Constraint(weighted({"x[0]": 1.0, "x[1]": 1.0}), "<=", 1.5),
    }
    problem = Problem(objective=objective(4, np.random.default_rng(0)), decoder=dict, constraints=constraints)
    engine = engine_of(problem)
    engine.advance(3)
    assert (engine.elite.states, engine.attempts, engine.sweeps) == ([], 0, 3)
    assert engine.least_violated is not None
    sample = dict(zip(problem.variables, engine.least_violated.tolist(), strict=True))
    assert sum(problem.violations(sample).values()) == 1.0


def test_a_needle_among_many_constraints_is_found() -> None:
    """A hidden state is the only one within equalities of pairs of free variables and tight inequalities."""
    rng = np.random.default_rng(3)
    hidden = rng.integers(0, 2, 40)
    constraints = {}
    for c in range(60):
        inside = rng.choice(40, 5, replace=False)
        weights = {f"x[{i}]": float(w) for i, w in zip(inside, rng.integers(1, 9, 5), strict=True)}
        value = 0.5 + sum(weights[f"x[{i}]"] * hidden[i] for i in inside)
        constraints[f"c{c}"] = Constraint(weighted(weights), ">=" if c % 2 else "<=", value)
    problem = Problem(objective=objective(40, rng), decoder=dict, constraints=constraints)
    engine = engine_of(problem)
    engine.advance(40)
    assert engine.elite.states
    for state in engine.elite.states:
        assert not problem.violations(dict(zip(problem.variables, state.tolist(), strict=True)))


def test_projections_are_in_double_precision_where_single_would_be_felt() -> None:
    """A large common part cancels: in float32 what is left of it is noise beside the coldest temperature."""
    problem = with_form(budget(1), 1, rank=3)
    model = choice_problem(problem).model
    states = np.zeros((2, len(model.sizes)), np.int32)
    assert float32_suffices(model, states, 1.0)
    assert not float32_suffices(model, states, 1e-6)
    assert engine_of(problem)._replicas.projections.dtype == np.float32  # type: ignore[union-attr]


@pytest.mark.slow  # nothing else compiles the kernels for double precision
def test_projections_in_double_precision_lead_to_the_optimum() -> None:
    problem = with_form(budget(1), 1, rank=3)
    cold = engine_of(problem, temperatures=(1e-7, 1.0))
    assert cold._replicas.projections.dtype == np.float64  # type: ignore[union-attr]
    cold.advance(200)
    assert cold.elite.best_energy + float(problem.objective.offset) == pytest.approx(feasible_states(problem)[1].min())


def test_the_ladder_is_spaced_by_the_heat_between() -> None:
    """Energies that rise with the square of the temperature: steps of the same size in b * db / ... are even."""
    temperatures = np.geomspace(0.1, 10.0, 60)
    betas, energies = 1.0 / temperatures, 0.5 * temperatures
    found = space_temperatures(betas, energies, 8)
    assert found[0] == betas[0]
    assert found[-1] == pytest.approx(betas[-1])
    ratios = found[:-1] / found[1:]
    # A heat capacity that does not change makes the ladder geometric.
    assert ratios == pytest.approx(ratios[0], rel=0.05)


def test_a_ladder_too_long_for_its_replicas_gives_up_the_hot_end() -> None:
    temperatures = np.geomspace(0.1, 10.0, 60)
    found = space_temperatures(1.0 / temperatures, 1e4 * temperatures, 4)
    assert found[0] == 10.0
    assert found[-1] > 9.0


@pytest.mark.parametrize("heat", [0.0, 5e-324, 1e-290])
def test_a_ladder_with_next_to_no_heat_goes_from_end_to_end(heat: float) -> None:
    betas = np.array([2.4e8, 2.3e8, 2.1e8, 2.0e8])
    found = space_temperatures(betas, heat * np.arange(4.0), 7)
    assert (np.diff(found) < 0.0).all()
    assert (found[0], found[-1]) == (2.4e8, 2.0e8)


def test_a_ladder_without_heat_is_spaced_evenly() -> None:
    found = space_temperatures(np.array([2.4e8, 2.3e8, 2.1e8, 2.0e8]), np.zeros(4), 7)
    assert found == pytest.approx([2.4e8, 2.35e8, 2.3e8, 2.2e8, 2.1e8, 2.05e8, 2.0e8])


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

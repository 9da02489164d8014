"""Where the engine over choices starts: given states, states that join, and constraints that are hard to meet."""

from __future__ import annotations

import numpy as np
import pytest

from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem
from tests.unit.backends.pt.choices.problems import KINDS, feasible_states, objective, weighted
from tests.unit.backends.pt.choices.test_engine import engine_of


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

"""Searches of assignments: where they apply, what they find, and what they leave alone."""

from __future__ import annotations

import itertools
from typing import Any

import dimod
import numpy as np
import pytest
from numpy.typing import NDArray

from qubo_backends._pt.choices.engine import ChoiceEngine
from qubo_backends._pt.choices.model import ChoiceProblem, choice_problem
from qubo_backends._pt.choices.searches.assignments import AssignmentSearches, find_assignments
from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem
from tests.unit.backends.pt.choices.problems import KINDS, names_of, objective, places_of, trip, weighted, with_form


def assignment(n: int, seed: int, further: int = 0, **constraints: Constraint) -> Problem[Any]:
    """Things in places, with couplings of all variables, those in the same place too, and free variables beside."""
    rng = np.random.default_rng(seed)
    return Problem(objective=objective(n * n + further, rng), **places_of(n, names_of(n), **constraints))


def best_of_all(problem: Problem[Any], choices: ChoiceProblem) -> float:
    """The least energy of all assignments with free variables off."""
    n = len(choices.model.sizes) - int(choices.model.offs.sum())
    orders = np.array(list(itertools.permutations(range(n))), np.int32)
    states = choices.states(np.pad(orders, ((0, 0), (0, len(choices.model.sizes) - n))))
    return float(problem.objective.energies((states, list(problem.variables))).min())


def energy_of(problem: Problem[Any], choices: ChoiceProblem, state: NDArray[np.int32]) -> float:
    sample = choices.states(state[None])
    assert not problem.violations(dict(zip(problem.variables, sample[0].tolist(), strict=True)))
    return float(problem.objective.energies((sample, list(problem.variables)))[0] - problem.objective.offset)


@pytest.mark.parametrize(
    ("problem", "found"),
    [
        (assignment(6, 0), 1),
        (assignment(6, 0, further=2), 1),
        # Small ones are seen whole by sweeps.
        (KINDS["assignment"](0), 0),
        (with_form(assignment(6, 0), 0), 0),
        # Swaps would have to keep these.
        (assignment(6, 0, limit=Constraint(weighted({"x[0]": 1.0, "x[8]": 2.0}), "<=", 2.5)), 0),
        (Problem(objective=objective(36, np.random.default_rng(0)), decoder=dict), 0),
    ],
    ids=["alone", "beside free variables", "small", "low rank", "inequality", "free"],
)
def test_assignments_are_found_where_all_exchanges_keep_the_constraints(problem: Problem[Any], found: int) -> None:
    model = choice_problem(problem).model
    assert [each.tolist() for each in find_assignments(model)] == [[*range(6)]] * found


def test_places_that_may_stay_empty_are_no_assignment() -> None:
    names = np.array([f"x[{k}]" for k in range(42)], object).reshape(6, 7)
    constraints = {f"p{p}": Constraint(weighted(dict.fromkeys(names[:, p], 1.0)), "<=", 1.5) for p in range(7)}
    groups = {f"t{i}": tuple(names[i]) for i in range(6)}
    bqm = objective(42, np.random.default_rng(0))
    problem = Problem(objective=bqm, decoder=dict, one_hot=groups, constraints=constraints)
    assert find_assignments(choice_problem(problem).model) == []
    engine = ChoiceEngine(choice_problem(problem), num_replicas=4, seed=np.random.SeedSequence(0))
    engine.advance(40)
    assert not problem.violations(dict(zip(problem.variables, engine.elite.states[0].tolist(), strict=True)))


@pytest.mark.parametrize(
    "problem",
    [
        assignment(7, 3),
        assignment(7, 4, further=2),
        trip(7, 5, closed=True, by_places=True),
        trip(7, 6, closed=False, by_places=False, further=True),
    ],
    ids=["dense", "with free variables", "ring", "path"],
)
@pytest.mark.parametrize("as_tours", [True, False])
def test_searches_know_the_energy_of_what_they_find_and_reach_the_optimum(
    problem: Problem[Any], as_tours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    choices = choice_problem(problem)
    if not as_tours:
        monkeypatch.setattr("qubo_backends._pt.choices.searches.assignments.find_tour", lambda *_: None)
    searches = AssignmentSearches(choices.model, np.random.default_rng(0))
    state = np.zeros(len(choices.model.sizes), np.int32)
    state[:7] = np.random.default_rng(1).permutation(7)
    start, energies = state.copy(), []
    for _ in range(8):
        found, energy = searches.search(state, state)
        assert energy == pytest.approx(energy_of(problem, choices, found))
        assert energy <= energy_of(problem, choices, start) + 1e-9
        # Free variables stay as they are.
        assert not found[7:].any()
        energies.append(energy)
    assert np.array_equal(state, start)
    least = best_of_all(problem, choices) - float(problem.objective.offset)
    assert min(energies) == pytest.approx(least)


def test_a_search_leaves_a_minimum_of_all_exchanges() -> None:
    """Of random quadratic assignments of twelve things descents by exchanges end in many places, searches in one."""
    rng = np.random.default_rng(3)
    flow, distance = (np.triu(rng.integers(0, 100, (12, 12)), 1) for _ in range(2))
    matrix = np.kron(flow + flow.T, distance + distance.T)
    bqm = dimod.BinaryQuadraticModel(np.zeros(144), np.triu(matrix), 0.0, dimod.BINARY)
    bqm.relabel_variables({k: f"x[{k}]" for k in range(144)})
    problem = Problem(objective=bqm, **places_of(12, names_of(12)))
    searches = AssignmentSearches(choice_problem(problem).model, rng)
    starts = [rng.permutation(12).astype(np.int32) for _ in range(6)]
    descents = [searches._search(0, start, patience=1)[1] for start in starts]
    found = [searches._search(0, start)[1] for start in starts]
    assert len(set(descents)) > 3
    assert min(found) == pytest.approx(max(found))
    assert max(found) < min(descents)


def test_runs_do_the_same_however_they_are_cut() -> None:
    problem = assignment(8, 1, further=1)
    results = []
    for cuts in ([30], [1, 2, 3, 4, 20], [17, 13]):
        engine = ChoiceEngine(choice_problem(problem), num_replicas=4, seed=np.random.SeedSequence(5), keep=4)
        for sweeps in cuts:
            engine.advance(sweeps)
        results.append((engine.elite.energies, engine.report()["assignment_searches"]))
    assert results[0] == results[1] == results[2]
    assert results[0][1] > 1


def test_a_search_ends_the_run_where_it_reaches_the_target() -> None:
    problem = assignment(7, 3)
    choices = choice_problem(problem)
    least = best_of_all(problem, choices) - float(problem.objective.offset)
    engine = ChoiceEngine(choices, num_replicas=4, seed=np.random.SeedSequence(0), target=least + 1e-6)
    engine.advance(50)
    assert engine.reached
    assert engine.sweeps < 50

"""Searches of subsets of a given size: where they apply, what they find, and what they leave alone."""

from __future__ import annotations

import itertools
from typing import Any

import dimod
import numpy as np
import pytest
from numpy.typing import NDArray

from qubo_backends._pt.choices.engine import ChoiceEngine
from qubo_backends._pt.choices.model import ChoiceProblem, choice_problem
from qubo_backends._pt.choices.searches.subsets import SubsetSearches, find_subsets
from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem
from tests.unit.backends.pt.choices.problems import objective, weighted


def subset(n: int, size: int, seed: int, further: int = 0, **constraints: Constraint) -> Problem[Any]:
    """`size` of n variables are on, with couplings of all variables, and free variables beside."""
    names = [f"x[{k}]" for k in range(n)]
    equality = Constraint(weighted(dict.fromkeys(names, 2.0)), "==", 2.0 * size + 0.5)
    constraints = {"size": equality, **constraints}
    return Problem(objective=objective(n + further, np.random.default_rng(seed)), decoder=dict, constraints=constraints)


def energy_of(problem: Problem[Any], choices: ChoiceProblem, state: NDArray[np.int32]) -> float:
    """Without the offset."""
    sample = dict(zip(problem.variables, choices.states(state[None])[0].tolist(), strict=True))
    return float(problem.objective.energy(sample) - problem.objective.offset)


def first_members(choices: ChoiceProblem, n: int, size: int) -> NDArray[np.int32]:
    sites = find_subsets(choices.model)[0]
    assert len(sites) == n
    state = np.zeros(len(choices.model.sizes), np.int32)
    state[sites[:size]] = 1
    return state


def test_subsets_are_found_where_nothing_else_holds_their_sites() -> None:
    def sizes(problem: Problem[Any]) -> list[int]:
        return [len(sites) for sites in find_subsets(choice_problem(problem).model)]

    limit = Constraint(weighted({"x[0]": 1.0, "x[8]": 1.0}), "<=", 1.0)
    uneven = Constraint(weighted({f"x[{k}]": 1.0 + k % 2 for k in range(8, 16)}), "==", 4.5)
    assert sizes(subset(8, 3, 1)) == [8]
    assert sizes(subset(8, 3, 1, further=1)) == [8]
    assert sizes(subset(8, 3, 1, further=1, limit=limit)) == []
    assert sizes(subset(5, 2, 1)) == []
    even = Constraint(weighted({f"x[{k}]": 1.0 for k in range(8, 16)}), "==", 4.5)
    assert sizes(subset(8, 3, 1, further=8, other=even)) == [8, 8]
    assert sizes(subset(8, 3, 1, further=8, other=uneven)) == [8]


@pytest.mark.parametrize(("size", "further"), [(1, 0), (4, 0), (9, 2)])
def test_searches_know_the_energy_of_what_they_find_and_reach_the_optimum(size: int, further: int) -> None:
    problem = subset(10, size, 3, further)
    choices = choice_problem(problem)
    searches = SubsetSearches(choices.model, np.random.default_rng(0))
    start = first_members(choices, 10, size)
    given, sites = start.copy(), find_subsets(choices.model)[0]
    others = np.setdiff1d(np.arange(len(start)), sites)
    least = np.inf
    for members in itertools.combinations(sites.tolist(), size):
        state = np.zeros(len(start), np.int32)
        state[list(members)] = 1
        least = min(least, energy_of(problem, choices, state))
    energies = []
    for _ in range(6):
        found, energy = searches.search(start, start)
        assert energy == pytest.approx(energy_of(problem, choices, found))
        assert found[sites].sum() == size
        assert not found[others].any()
        energies.append(energy)
    assert np.array_equal(start, given)
    assert min(energies) == pytest.approx(least)
    assert searches.moves > 0


def test_a_search_leaves_a_minimum_of_all_exchanges() -> None:
    """A cluster of small gains, from which no single exchange leads to the better one."""
    bqm = dimod.BinaryQuadraticModel("BINARY")
    for names, bias in (([f"x[{k}]" for k in range(4)], -1.0), ([f"x[{k}]" for k in range(4, 8)], -1.5)):
        for one, other in itertools.combinations(names, 2):
            bqm.add_quadratic(one, other, bias)
    equality = Constraint(weighted({f"x[{k}]": 1.0 for k in range(8)}), "==", 4.5)
    choices = choice_problem(Problem(objective=bqm, decoder=dict, constraints={"size": equality}))
    searches = SubsetSearches(choices.model, np.random.default_rng(0))
    found, energy = searches.search(first_members(choices, 8, 4), None)
    assert energy == -9.0
    assert found[find_subsets(choices.model)[0]].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_runs_do_the_same_however_they_are_cut() -> None:
    problem = subset(12, 5, 1, further=1)
    results = []
    for cuts in ([30], [1, 2, 3, 4, 20], [17, 13]):
        engine = ChoiceEngine(choice_problem(problem), num_replicas=4, seed=np.random.SeedSequence(5), keep=4)
        for sweeps in cuts:
            engine.advance(sweeps)
        results.append((engine.elite.energies, engine.ledger.entries))
    assert results[0] == results[1] == results[2]
    assert engine.report()["subset_searches"] > 1

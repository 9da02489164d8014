"""The `exact` backend sees every state once, keeps groups, and never calls a part the whole."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import dimod
import numpy as np
import pytest

from qubo_backends._shared.enumeration import block_energies, states_at
from qubo_backends.exact import ExactBackend
from qubo_dnn.backend import SolveOptions, make_options
from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import BackendFailedError, UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_dnn.sites import OFF, Sites

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]
BACKEND = ExactBackend()


def options(**values: object) -> SolveOptions:
    return make_options(BACKEND, values)


def grouped(bqm: dimod.BinaryQuadraticModel, *groups: tuple[int, ...]) -> Problem[object]:
    return Problem(objective=bqm, decoder=dict, one_hot={f"group {k}": group for k, group in enumerate(groups)})


@pytest.mark.parametrize("first", [0, 1, 17, 50])
def test_the_code_visits_every_state_once_with_its_energy_from_any_position(random_bqm: RandomBqm, first: int) -> None:
    bqm = random_bqm(9, 1)
    bqm.offset = 0
    sites = Sites.of([[OFF, 0], [1, 2, 3], [OFF, 4], [5], [6, 7, 8]])
    states = states_at(sites, 9, np.arange(36))
    feasible = [s for s in itertools.product((0, 1), repeat=9) if sum(s[1:4]) == 1 == sum(s[6:]) and s[5] == 1]
    assert sorted(map(tuple, states.tolist())) == sorted(feasible)
    assert set(np.abs(np.diff(states, axis=0)).sum(axis=1)) == {1, 2}
    matrix = np.zeros((9, 9))
    for (u, v), bias in bqm.quadratic.items():
        matrix[u, v] = matrix[v, u] = bias
    energies = np.empty(36 - first % 36)
    block_energies(np.array([bqm.get_linear(v) for v in range(9)]), matrix, sites, first % 36, energies)
    np.testing.assert_allclose(energies, bqm.energies((states[first % 36 :], range(9))), atol=1e-12)


@pytest.mark.parametrize("vartype", ["SPIN", "BINARY"])
@pytest.mark.parametrize("n", [1, 2, 15])
def test_returns_the_lowest_states_in_order(random_bqm: RandomBqm, n: int, vartype: str) -> None:
    bqm = random_bqm(n, 3, vartype=vartype)
    found = BACKEND.sample(bqm, options(num_reads=100))
    expected = np.sort(dimod.ExactSolver().sample(bqm).record.energy)[:100]
    np.testing.assert_allclose(found.record.energy, expected)
    assert len(np.unique(found.record.sample, axis=0)) == len(expected)
    assert found.info["states"] == 2**n


def test_rounding_along_the_way_does_not_hide_the_best_of_near_ties() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        large = {i: 1e9 * (rng.random() - 1) for i in range(8)}
        bqm = dimod.BinaryQuadraticModel(large | dict.fromkeys(range(8, 14), 1e-05), {}, 0.0, "BINARY")
        assert dict(BACKEND.sample(bqm, options()).first.sample) == {i: int(i < 8) for i in range(14)}


def test_one_hot_groups_are_enumerated_natively(random_bqm: RandomBqm) -> None:
    for seed in range(4):
        problem = grouped(random_bqm(12, seed), (0, 5, 2), (7,), (11, 3))
        rows = dimod.ExactSolver().sample(problem.objective)
        energies = sorted(row.energy for row in rows.data() if not problem.violations(row.sample))
        found = BACKEND.sample_constrained(problem, options(num_reads=1000))
        np.testing.assert_allclose(found.record.energy, energies)
        assert not any(problem.violations(row.sample) for row in found.data())


def test_many_variables_in_few_groups_are_no_problem(random_bqm: RandomBqm) -> None:
    problem = grouped(random_bqm(90, 1), tuple(range(60)), tuple(range(60, 90)))
    found = BACKEND.sample_constrained(problem, options())
    pairs = (
        problem.objective.energy({v: int(v in (i, j)) for v in range(90)}) for i in range(60) for j in range(60, 90)
    )
    assert found.first.energy == pytest.approx(min(pairs))
    assert found.info["states"] == 1800


def test_refuses_too_many_states_naming_limit_and_number(random_bqm: RandomBqm) -> None:
    groups = [tuple(range(3 * k, 3 * k + 3)) for k in range(20)]
    with pytest.raises(UnsupportedProblemError, match=r"at most 2\^26 feasible states.* 2\^31\.7"):
        BACKEND.sample_constrained(grouped(random_bqm(60, 1), *groups), options())
    with pytest.raises(UnsupportedProblemError, match="at most 26 variables, the problem has 27"):
        BACKEND.sample(random_bqm(27, 1), options())


def test_refuses_constraints_it_cannot_keep(random_bqm: RandomBqm) -> None:
    lhs = dimod.BinaryQuadraticModel({0: 1.0, 1: 1.0}, {}, 0.0, "BINARY")
    problem = Problem(objective=random_bqm(3, 0), decoder=dict, constraints={"budget": Constraint(lhs, "<=", 1.0)})
    with pytest.raises(UnsupportedProblemError, match="budget"):
        BACKEND.sample_constrained(problem, options())


def test_an_enumeration_cut_short_is_a_failure_not_an_answer(random_bqm: RandomBqm) -> None:
    with pytest.raises(BackendFailedError, match=r"of 67108864 states within 0\.001 seconds"):
        BACKEND.sample(random_bqm(26, 1), options(time_limit=0.001))

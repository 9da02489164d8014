"""Every backend through `solve`: constraints kept, seeds reproduced, penalties that grow."""

from __future__ import annotations

from typing import Any

import dimod
import numpy as np
import pytest

from qubo_dnn.constraint import Constraint, ConstraintKind
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend, get_formulation, list_backends
from qubo_dnn.solving.solution import Solution
from qubo_dnn.solving.solve import MAX_CALLS, solve
from qubo_dnn.testing.elsewhere import call_elsewhere
from tests.unit.solving.scripted import (
    Scripted,
    as_it_is,
    duality_gap,
    example,
    ground_state,
    local_backend,
    optimum,
    row,
)


@pytest.mark.parametrize("name", list_backends())
def test_every_backend_keeps_the_groups_and_the_budget(name: str) -> None:
    backend, problem = local_backend(name), example()
    limit = backend.capabilities.max_variables
    if limit is not None and limit < len(problem.variables):
        pytest.skip(f"it takes at most {limit} variables")
    options = {"num_reads": 20, "seed": 1 if backend.capabilities.seeded else None}
    solution = solve(problem, backend, options)
    assert solution.best.feasible
    assert problem.violations(solution.sample) == {}
    assert solution.best.objective == pytest.approx(problem.objective.energy(solution.sample))
    assert solution.best.value == problem.decoder(solution.sample)
    assert solution.best.objective >= optimum(problem) - 1e-9
    assert solution.backend == name
    assert not solution.interrupted
    assert solution.calls[-1].objective == pytest.approx(solution.best.objective)


@pytest.mark.parametrize("budget", [4.0, 9.0, 13.0, 16.0, 20.0])
def test_a_budget_that_is_kept_natively_is_used_up_to_the_optimum(budget: float) -> None:
    problem = example(budget)
    solution = solve(problem, get_backend("pt"), {"seed": 0})
    assert solution.best.objective == pytest.approx(optimum(problem))
    assert (solution.repaired, len(solution.calls), solution.calls[0].multipliers) == (False, 1, {})


@pytest.mark.parametrize("budget", [4.0, 9.0, 13.0, 16.0, 20.0])
def test_the_answer_is_within_the_duality_gap_of_the_optimum(budget: float) -> None:
    """What a perfect sampler finds at its best multiplier; nothing is left to chance but the multipliers tried."""
    problem = example(budget)
    solution = solve(problem, get_backend("exact"), {"seed": 0})
    gap = min(duality_gap(problem, done.multipliers["budget"]) for done in solution.calls)
    assert gap < float("inf")
    assert solution.best.objective <= optimum(problem) + gap + 1e-9


def test_a_lower_bound_is_kept_as_well() -> None:
    problem = example(13.0, ">=")
    reversed_objective = problem.objective.copy()
    reversed_objective.scale(-1.0)
    problem = Problem(
        objective=reversed_objective,
        decoder=problem.decoder,
        one_hot=problem.one_hot,
        constraints=problem.constraints,
    )
    solution = solve(problem, get_backend("exact"))
    assert solution.best.feasible
    assert solution.calls[0].multipliers["budget"] > 0.0
    assert solution.best.objective >= optimum(problem) - 1e-9


def test_the_size_limit_of_exact_does_not_apply_where_it_keeps_the_groups() -> None:
    labels = [[f"x[{u}][{k}]" for k in range(6)] for u in range(5)]
    losses = {v: (u + 1.0) * 4.0**-k for u, group in enumerate(labels) for k, v in enumerate(group)}
    costs = {v: float(k) for group in labels for k, v in enumerate(group)}
    problem = Problem(
        objective=dimod.BinaryQuadraticModel(losses, {}, 0.0, dimod.BINARY),
        decoder=dict,
        one_hot={f"unit {u}": tuple(group) for u, group in enumerate(labels)},
        constraints={"budget": Constraint(dimod.BinaryQuadraticModel(costs, {}, 0.0, dimod.BINARY), "<=", 12.0)},
    )
    backend = get_backend("exact")
    assert len(problem.variables) > (backend.capabilities.max_variables or 0)
    solution = solve(problem, backend)
    assert solution.best.objective == pytest.approx(optimum(problem))


# Those whose runs take seconds; the kit looks at their seeds, too.
LENGTHY = frozenset({"qaoa", "qpu-emulator", "reinforcement", "rqaoa"})
NAMES = [pytest.param(name, marks=pytest.mark.slow if name in LENGTHY else ()) for name in list_backends()]


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_reproduces(name: str) -> None:
    backend, problem = local_backend(name), example()
    limit = backend.capabilities.max_variables
    if not backend.capabilities.seeded or (limit or len(problem.variables)) < len(problem.variables):
        pytest.skip("it takes no seed, or no problem of this size")
    first, second = (solve(problem, backend, {"seed": 7, "num_reads": 3}) for _ in range(2))
    assert first.sample == second.sample
    assert first.seed == second.seed == 7
    assert [r.multipliers for r in first.calls] == [r.multipliers for r in second.calls]
    assert first.sampleset.record.sample.tolist() == second.sampleset.record.sample.tolist()


def seeded_answers() -> dict[str, Any]:
    answers = {}
    for name in ("neal", "pt"):
        problem = get_formulation("pruning-quantization").example(0).compile()
        solution = solve(problem, get_backend(name), {"seed": 5, "num_reads": 2})
        rows = solution.sampleset.record.sample.tolist()
        answers[name] = [rows, list(solution.sample.values()), solution.best.objective, len(solution.calls)]
    return answers


def test_a_seed_reproduces_in_another_process() -> None:
    assert call_elsewhere(seeded_answers) == seeded_answers()


@pytest.mark.parametrize(("sense", "budget", "amount"), [("<=", -3.0, 3.0), (">=", 21.0, 1.0)])
@pytest.mark.parametrize("name", ["exact", "neal", pytest.param("pt", marks=pytest.mark.slow)])
def test_a_budget_out_of_reach_is_a_result_with_its_violation(
    name: str, sense: str, budget: float, amount: float
) -> None:
    solution = solve(example(budget, sense), get_backend(name), {"seed": 0})
    assert not solution.best.feasible
    assert solution.best.violations == {"budget": pytest.approx(amount)}
    assert all(done.objective is None for done in solution.calls)


@pytest.mark.parametrize("name", ["exact", "neal", "pt", "tabu"])
def test_an_equality_is_met_and_its_weight_is_reported(name: str) -> None:
    problem = example(12.0, "==")
    solution = solve(problem, get_backend(name), {"seed": 0, "num_reads": 20})
    assert solution.best.feasible
    assert solution.best.objective == pytest.approx(optimum(problem))
    assert set(solution.calls[0].weights) == {"budget"}
    assert solution.calls[-1].broken == ()


def test_a_backend_that_keeps_everything_gets_the_problem_itself_once() -> None:
    problem = example()
    backend = Scripted(lambda _call, _bqm: [row(2, 2, 2, 2), row(1, 1, 1, 1)], frozenset(ConstraintKind))
    solution = solve(problem, backend)
    assert len(backend.problems) == len(backend.options) == len(solution.calls) == 1
    assert backend.problems[0] is problem
    assert solution.calls[0].penalties is None
    assert solution.calls[0].multipliers == {}


def test_a_service_that_breaks_what_it_claims_to_keep_is_found_out() -> None:
    backend = Scripted(lambda _call, _bqm: [row(2, 2, 2, 2)], frozenset(ConstraintKind), remote=True)
    solution = as_it_is(example(), backend)
    assert solution.best.violations == {"budget": pytest.approx(7.0)}
    assert len(solution.calls) == 1


def test_where_a_backend_finds_nothing_within_the_constraints_they_are_relaxed() -> None:
    backend = Scripted(lambda _call, _bqm: [row(2, 2, 2, 2)], frozenset(ConstraintKind))
    solution = as_it_is(example(), backend)
    assert [set(done.multipliers) for done in solution.calls[:2]] == [set(), {"budget"}]
    assert [set(problem.constraints) for problem in backend.problems[:2]] == [{"budget"}, set()]
    assert (solution.best.feasible, solution.repaired) == (True, True)


def test_without_constraints_the_best_row_is_returned_unchanged() -> None:
    objective = dimod.BinaryQuadraticModel({"a": -1.0, "b": -2.0}, {}, 0.0, dimod.BINARY)
    solution = as_it_is(Problem(objective=objective, decoder=dict), Scripted(lambda _call, _bqm: [[0, 0], [1, 0]]))
    assert solution.best.value == {"a": 1, "b": 0}
    assert solution.best.objective == -1.0
    assert not solution.repaired
    assert len(solution.calls) == 1


@pytest.mark.parametrize("name", list_backends())
def test_a_problem_without_variables(name: str) -> None:
    problem = Problem(objective=dimod.BinaryQuadraticModel({}, {}, 2.5, dimod.BINARY), decoder=dict)
    solution = solve(problem, local_backend(name))
    assert solution.best.value == {}
    assert solution.best.objective == 2.5
    assert not solution.repaired


def one_hot_only(seed: int) -> Problem[Any]:
    """Three groups of three with random couplings of very different strengths."""
    rng = np.random.default_rng(seed)
    apart = np.kron(1 - np.eye(3), np.ones((3, 3)))
    couplings = np.triu(rng.normal(size=(9, 9)) * 3.0 ** rng.normal(size=(9, 9)) * apart, 1)
    objective = dimod.BinaryQuadraticModel(rng.normal(size=9), couplings, dimod.BINARY)
    groups = {f"g{index}": (3 * index, 3 * index + 1, 3 * index + 2) for index in range(3)}
    return Problem(objective=objective, decoder=dict, one_hot=groups)


def solve_by_penalties(seed: int) -> Solution[Any]:
    return as_it_is(one_hot_only(seed), Scripted(ground_state))


@pytest.mark.parametrize("seed", range(20))
def test_penalties_grow_until_the_ground_state_keeps_all_groups(seed: int) -> None:
    """Then the penalised model has the optimum of the problem as its ground state."""
    solution, problem = solve_by_penalties(seed), one_hot_only(seed)
    assert solution.calls[-1].broken == ()
    assert solution.best.feasible
    assert solution.best.objective == pytest.approx(optimum(problem))
    penalties = [done.penalties or (0.0, 0.0) for done in solution.calls]
    assert (
        penalties == sorted(penalties, key=lambda bounds: bounds[0]) == sorted(penalties, key=lambda bounds: bounds[1])
    )
    assert all(done.broken for done in solution.calls[:-1])


def test_some_of_these_problems_need_more_than_one_round_and_stiffer_penalties() -> None:
    """Otherwise the test above would show nothing."""
    rounds = [solve_by_penalties(seed).calls for seed in range(20)]
    assert min(len(done) for done in rounds) == 1
    assert 1 < max(len(done) for done in rounds) < MAX_CALLS
    assert any(done[-1].penalties != done[0].penalties for done in rounds)

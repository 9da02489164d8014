from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, ClassVar

import dimod
import numpy as np
import pytest

from qubo_dnn.backend import Backend, Capabilities, SolveOptions
from qubo_dnn.constraint import Constraint, ConstraintKind
from qubo_dnn.constraints.local import LocalState, descend
from qubo_dnn.constraints.repair import repair
from qubo_dnn.errors import BackendFailedError, BackendUnavailableError, OptionError
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.registry import backend_names, get_backend
from qubo_dnn.solve import MAX_ROUNDS, Round, Solution, solve

Rows = Sequence[Sequence[int]]
UNITS, OPTIONS = 4, 3


# Scripted answers are for the whole problem, so presolve must leave it whole.
as_it_is = partial(solve, presolve=False)


def example(budget: float = 13.0, sense: str = "<=") -> Problem[Any]:
    """4 coupled units of 3 options, 12 variables; options cost 0, 2 or 5, more is better."""
    rng = np.random.default_rng(3)
    labels = [[f"x[{u}][{k}]" for k in range(OPTIONS)] for u in range(UNITS)]
    names = [v for row in labels for v in row]
    factor = rng.normal(size=(len(names), 6)) * np.tile([1.0, 0.5, 0.1], UNITS)[:, None]
    matrix = factor @ factor.T
    apart = np.kron(1 - np.eye(UNITS), np.ones((OPTIONS, OPTIONS)))
    objective = dimod.BinaryQuadraticModel(matrix.diagonal() / 2, np.triu(matrix * apart, 1), dimod.BINARY)
    objective.relabel_variables(dict(enumerate(names)))
    costs = dimod.BinaryQuadraticModel(dict(zip(names, [0.0, 2.0, 5.0] * UNITS, strict=True)), {}, 0.0, dimod.BINARY)
    return Problem(
        objective=objective,
        decoder=lambda sample: [int(np.argmax([sample[v] for v in row])) for row in labels],
        one_hot={f"unit {u}": tuple(row) for u, row in enumerate(labels)},
        constraints={"budget": Constraint(costs, sense, budget)},  # type: ignore[arg-type]  # a str for brevity
    )


def one_hot_samples(problem: Problem[Any]) -> list[dict[Any, int]]:
    groups = list(problem.one_hot.values())
    zeros = dict.fromkeys(problem.variables, 0)
    return [zeros | dict.fromkeys(chosen, 1) for chosen in product(*groups)]


def optimum(problem: Problem[Any]) -> float:
    """The least objective of a feasible state, by enumeration."""
    samples = one_hot_samples(problem)
    return min(problem.objective.energy(sample) for sample in samples if not problem.violations(sample))


def duality_gap(problem: Problem[Any], multiplier: float) -> float:
    """How far the minimiser at a multiplier may be from the optimum: multiplier times the budget it leaves unused.

    Infinite where the minimiser breaks the budget. By weak duality (Everett 1963).
    """
    budget = problem.constraints["budget"]

    def relaxed(sample: Sample) -> float:
        return float(problem.objective.energy(sample) + multiplier * budget.lhs.energy(sample))

    best = min(one_hot_samples(problem), key=relaxed)
    return float("inf") if problem.violations(best) else multiplier * (budget.rhs - budget.lhs.energy(best))


def local_backend(name: str) -> Backend:
    try:
        backend = get_backend(name)
    except BackendUnavailableError as cause:
        pytest.skip(str(cause))
    if backend.capabilities.remote:
        pytest.skip("its service is not at hand")
    return backend


class Scripted:
    """A backend that answers its n-th call by `script(n, model)`: rows, or whatever that raises."""

    name: ClassVar[str] = "scripted"
    summary: ClassVar[str] = "answers as told"
    options_type: ClassVar[type[SolveOptions]] = SolveOptions

    def __init__(
        self,
        script: Callable[[int, Any], Rows],
        native: frozenset[ConstraintKind] = frozenset(),
        info: dict[str, Any] | None = None,
        **capabilities: bool,
    ) -> None:
        self.capabilities = Capabilities(native_constraints=native, **capabilities)
        self.script, self.info = script, info or {}
        self.options: list[SolveOptions] = []
        self.problems: list[Problem[Any]] = []

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        self.options.append(options)
        rows = np.array(self.script(len(self.options), bqm), np.int8)
        return dimod.SampleSet.from_samples_bqm((rows, list(bqm.variables)), bqm, info=self.info)

    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        self.problems.append(problem)
        return self.sample(problem.objective, options)


def zeros(_call: int, bqm: dimod.BinaryQuadraticModel) -> Rows:
    """The row that breaks every group."""
    return [[0] * bqm.num_variables]


def ground_state(_call: int, bqm: dimod.BinaryQuadraticModel) -> Rows:
    """By enumeration of all states, groups or not."""
    states = np.array(list(product((0, 1), repeat=bqm.num_variables)), np.int8)
    return [states[np.argmin(bqm.energies((states, list(bqm.variables))))].tolist()]


def row(*choices: int) -> list[int]:
    return [int(k == choice) for choice in choices for k in range(OPTIONS)]


@pytest.mark.parametrize("name", backend_names())
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
    assert solution.rounds[-1].objective == pytest.approx(solution.best.objective)


@pytest.mark.parametrize("budget", [4.0, 9.0, 13.0, 16.0, 20.0])
def test_a_budget_that_is_kept_natively_is_used_up_to_the_optimum(budget: float) -> None:
    problem = example(budget)
    solution = solve(problem, get_backend("pt"), {"seed": 0})
    assert solution.best.objective == pytest.approx(optimum(problem))
    assert (solution.repaired, len(solution.rounds), solution.rounds[0].multipliers) == (False, 1, {})


@pytest.mark.parametrize("budget", [4.0, 9.0, 13.0, 16.0, 20.0])
def test_the_answer_is_within_the_duality_gap_of_the_optimum(budget: float) -> None:
    """What a perfect sampler finds at its best multiplier; nothing is left to chance but the multipliers tried."""
    problem = example(budget)
    solution = solve(problem, get_backend("exact"), {"seed": 0})
    gap = min(duality_gap(problem, done.multipliers["budget"]) for done in solution.rounds)
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
    assert solution.rounds[0].multipliers["budget"] > 0.0
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


@pytest.mark.parametrize("name", backend_names())
def test_a_seed_reproduces(name: str) -> None:
    backend, problem = local_backend(name), example()
    limit = backend.capabilities.max_variables
    if not backend.capabilities.seeded or (limit or len(problem.variables)) < len(problem.variables):
        pytest.skip("it takes no seed, or no problem of this size")
    first, second = (solve(problem, backend, {"seed": 7, "num_reads": 3}) for _ in range(2))
    assert first.sample == second.sample
    assert first.seed == second.seed == 7
    assert [r.multipliers for r in first.rounds] == [r.multipliers for r in second.rounds]
    assert first.sampleset.record.sample.tolist() == second.sampleset.record.sample.tolist()


ELSEWHERE = """
import json
from qubo_dnn.registry import get_backend, get_formulation
from qubo_dnn.solve import solve

answers = {}
for name in ("neal", "pt"):
    problem = get_formulation("pruning-quantization").example(0).compile()
    solution = solve(problem, get_backend(name), {"seed": 5, "num_reads": 2})
    rows = solution.sampleset.record.sample.tolist()
    answers[name] = [rows, list(solution.sample.values()), solution.best.objective, len(solution.rounds)]
print(json.dumps(answers))
"""


def test_a_seed_reproduces_in_another_process() -> None:
    answers = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", ELSEWHERE]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        answers.append(json.loads(ended.stdout))
    assert answers[0] == answers[1]


def test_without_a_seed_one_is_drawn_and_reported() -> None:
    backend = Scripted(lambda _call, _bqm: [row(0, 0, 0, 0)])
    seeds = {as_it_is(example(), backend).seed for _ in range(3)}
    assert len(seeds) == 3
    assert {options.seed for options in backend.options} >= seeds


def test_every_round_has_a_seed_of_its_own() -> None:
    backend = Scripted(zeros)
    solve(example(), backend, {"seed": 3})
    assert len({options.seed for options in backend.options}) == len(backend.options) == MAX_ROUNDS
    assert backend.options[0].seed == 3


def test_a_backend_without_seeds_is_not_given_one() -> None:
    backend = Scripted(zeros, seeded=False)
    assert solve(example(), backend).seed is None
    assert {options.seed for options in backend.options} == {None}


def test_the_time_limit_is_shared_among_the_rounds() -> None:
    backend = Scripted(zeros)
    solve(example(), backend, {"time_limit": 6000.0})
    # Nearly no time passes, so that each round could use more than the one before; 60 s are ample for the test.
    for index, options in enumerate(backend.options):
        assert options.time_limit == pytest.approx(6000.0 / (MAX_ROUNDS - index), abs=60.0)


def test_an_only_round_has_the_whole_time_limit() -> None:
    backend = Scripted(lambda _call, _bqm: [row(1, 1, 1, 1)], frozenset(ConstraintKind))
    solve(example(), backend, {"time_limit": 6000.0})
    (options,) = backend.options
    assert options.time_limit == pytest.approx(6000.0, abs=60.0)


@pytest.mark.parametrize(("used", "rounds"), [(1.0, 2), (0.1, 1)])
def test_an_answer_cut_short_by_its_share_gets_the_rest_of_the_time(
    monkeypatch: pytest.MonkeyPatch, used: float, rounds: int
) -> None:
    """The first answer breaks nothing, so nothing is left to learn; only a backend that ran out of time goes on."""
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    problem = replace(example(), constraints={})

    def timed(_call: int, _bqm: Any) -> Rows:
        clock[0] += used * (backend.options[-1].time_limit or 0.0)
        return [row(2, 2, 2, 2)]

    backend = Scripted(timed)
    solution = as_it_is(problem, backend, {"time_limit": 6000.0})
    assert [options.time_limit for options in backend.options] == [1000.0, 5000.0][:rounds]
    assert solution.best.feasible


def test_no_round_begins_after_the_time_limit() -> None:
    def slow(call: int, bqm: dimod.BinaryQuadraticModel) -> Rows:
        time.sleep(0.05)
        return zeros(call, bqm)

    backend = Scripted(slow)
    assert len(solve(example(), backend, {"time_limit": 0.01}).rounds) == 1
    assert len(backend.options) == 1


def test_the_time_limit_is_kept_roughly() -> None:
    backend = get_backend("pt")
    solve(example(), backend, {"seed": 0, "num_reads": 1})  # compiles
    started = time.perf_counter()
    solution = solve(example(), backend, {"seed": 0, "time_limit": 0.6})
    assert time.perf_counter() - started < 10.0
    assert solution.best.feasible


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_readz": 3}, "backend 'neal' has no option 'num_readz'; did you mean 'num_reads'"),
        ({"num_reads": 0}, "option num_reads"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionError, match=text):
        solve(example(), get_backend("neal"), options)


def interrupted_in(round_number: int) -> Callable[[int, Any], Rows]:
    def script(call: int, bqm: dimod.BinaryQuadraticModel) -> Rows:
        if call == round_number:
            raise KeyboardInterrupt
        return zeros(call, bqm)

    return script


def test_an_interrupt_keeps_the_best_so_far() -> None:
    whole, cut = as_it_is(example(), Scripted(zeros)), solve(example(), Scripted(interrupted_in(2)))
    assert not whole.interrupted
    assert cut.interrupted
    assert len(cut.rounds) == 1
    assert cut.best.feasible


def test_an_interrupt_between_two_calls_keeps_the_best_so_far() -> None:
    def stop(done: Round) -> None:
        if done.number == 2:
            raise KeyboardInterrupt

    solution = as_it_is(example(), Scripted(zeros), progress=stop)
    assert solution.interrupted
    assert len(solution.rounds) == 2
    assert solution.best.feasible


def test_an_interrupt_before_the_first_answer_is_a_failure() -> None:
    with pytest.raises(BackendFailedError, match="'scripted' was interrupted before its first answer"):
        as_it_is(example(), Scripted(interrupted_in(1)))


def failing_in(round_number: int) -> Callable[[int, Any], Rows]:
    def script(call: int, bqm: dimod.BinaryQuadraticModel) -> Rows:
        if call == round_number:
            raise BackendFailedError("the line went dead")
        return zeros(call, bqm)

    return script


def test_a_failure_after_the_first_round_keeps_the_best_so_far_and_is_told() -> None:
    solution = as_it_is(example(), Scripted(failing_in(3)))
    assert solution.failed == "the line went dead"
    assert not solution.interrupted
    assert len(solution.rounds) == 2
    assert solution.best.feasible
    assert as_it_is(example(), Scripted(zeros)).failed is None


def test_a_failure_in_the_first_round_is_raised() -> None:
    with pytest.raises(BackendFailedError, match="the line went dead"):
        as_it_is(example(), Scripted(failing_in(1)))


def test_an_interrupt_while_rows_are_repaired_keeps_those_that_were(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def interrupted_repair(state: LocalState, deadline: float) -> None:
        calls.append(deadline)
        if len(calls) == 2:
            raise KeyboardInterrupt
        repair(state, deadline)

    monkeypatch.setattr("qubo_dnn.constraints.pool.repair", interrupted_repair)
    solution = as_it_is(example(), Scripted(lambda _call, _bqm: [row(2, 2, 2, 2), row(1, 1, 1, 1)]))
    assert solution.interrupted
    assert solution.rounds == ()
    assert solution.best.feasible


def test_an_interrupt_while_candidates_are_decoded_keeps_the_best() -> None:
    calls = []

    def decoder(sample: Sample) -> Any:
        calls.append(sample)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return dict(sample)

    problem = replace(example(), decoder=decoder)
    solution = solve(problem, get_backend("exact"), {"num_reads": 20}, keep=5)
    assert solution.interrupted
    assert solution.candidates == (solution.best,)


def test_candidates_are_the_best_different_feasible_answers() -> None:
    """A backend that keeps everything is not repaired, so that the candidates are its rows."""
    problem = example()
    feasible = [sample for sample in one_hot_samples(problem) if not problem.violations(sample)]
    rows = [list(sample.values()) for sample in feasible]
    solution = as_it_is(problem, Scripted(lambda _call, _bqm: [*rows, *rows], frozenset(ConstraintKind)), keep=7)
    best = sorted(feasible, key=problem.objective.energy)[:7]
    assert [candidate.value for candidate in solution.candidates] == [problem.decoder(sample) for sample in best]
    assert solution.candidates[0] == solution.best


def test_candidates_come_from_all_rounds() -> None:
    def script(call: int, _bqm: Any) -> Rows:
        return [row(0, 0, 0, call % 2), row(0, 0, call % 2, 0)]

    alone = as_it_is(example(), Scripted(lambda _call, bqm: script(1, bqm)), keep=99)
    both = as_it_is(example(), Scripted(script), keep=99)
    assert len(both.candidates) >= len(alone.candidates)
    assert {json.dumps(each.value) for each in alone.candidates} <= {json.dumps(each.value) for each in both.candidates}


def test_no_more_candidates_than_the_rows_that_came() -> None:
    solution = as_it_is(example(), Scripted(lambda _call, _bqm: [row(2, 2, 2, 2)] * 5), keep=4)
    assert solution.candidates == (solution.best,)
    assert len(as_it_is(example(), get_backend("exact"), {"num_reads": 20}).candidates) == 1


def test_without_a_feasible_answer_the_least_infeasible_is_the_only_candidate() -> None:
    solution = solve(example(-3.0), get_backend("exact"), {"num_reads": 20}, keep=4)
    assert solution.candidates == (solution.best,)
    assert not solution.best.feasible


def test_at_least_one_candidate_has_to_be_kept() -> None:
    with pytest.raises(OptionError, match="keep must be at least 1, not 0"):
        solve(example(), get_backend("exact"), keep=0)


def test_the_local_phase_keeps_to_its_share_of_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Descents that took minutes each would leave one of them, where there is time for them some ten."""
    made = []

    def counted(state: LocalState, weights: Any) -> None:
        made.append(weights)
        descend(state, weights)

    monkeypatch.setattr("qubo_dnn.constraints.lagrangian.descend", counted)
    as_it_is(example(), Scripted(zeros), {"time_limit": 6000.0})
    assert len(made) > 5
    made.clear()
    solution = as_it_is(example(), Scripted(zeros), {"time_limit": 1e-9})
    assert len(made) == 1
    assert solution.best.feasible
    assert len(solution.rounds) == 1


def test_after_the_time_limit_only_the_best_row_is_repaired() -> None:
    rows = [row(2, 2, 2, 2), row(1, 1, 1, 1), row(0, 0, 0, 0)]
    assert len(as_it_is(example(), Scripted(lambda _call, _bqm: rows), {"time_limit": 1e-9}, keep=5).candidates) == 1
    assert len(as_it_is(example(), Scripted(lambda _call, _bqm: rows), keep=5).candidates) > 1


def test_a_backend_that_was_interrupted_is_not_asked_again() -> None:
    solution = as_it_is(example(), Scripted(zeros, info={"interrupted": True}))
    assert solution.interrupted
    assert len(solution.rounds) == 1
    assert solution.best.feasible


def test_rows_that_break_groups_or_the_budget_are_repaired_and_said_to_be() -> None:
    for rows in ([row(2, 2, 2, 2)], [[0] * 12], [[1] * 12]):
        solution = as_it_is(example(), Scripted(lambda _call, _bqm, rows=rows: rows))
        assert solution.best.feasible
        assert solution.repaired
        assert list(solution.sample.values()) not in solution.sampleset.record.sample.tolist()


def test_a_feasible_row_that_nothing_improves_is_returned_as_it_is() -> None:
    problem = example()
    best = min(
        (sample for sample in one_hot_samples(problem) if not problem.violations(sample)), key=problem.objective.energy
    )
    solution = as_it_is(problem, Scripted(lambda _call, _bqm: [list(best.values())]))
    assert solution.sample == best
    assert not solution.repaired


def test_the_best_repaired_row_wins_not_the_first() -> None:
    """The row of least relaxed energy breaks every group; another one is already the optimum."""
    problem = example()
    best = min(
        (sample for sample in one_hot_samples(problem) if not problem.violations(sample)), key=problem.objective.energy
    )
    rows = [[0] * 12, [1] * 12, list(best.values()), row(0, 0, 0, 0)]
    solution = as_it_is(problem, Scripted(lambda _call, _bqm: rows))
    assert solution.best.objective == pytest.approx(optimum(problem))


def test_a_feasible_row_wins_over_a_better_one_that_cannot_be_repaired() -> None:
    """Both variables have to be 1, and from 00 no single flip comes nearer to that."""
    both = dimod.BinaryQuadraticModel({}, {("a", "b"): 1.0}, 0.0, dimod.BINARY)
    objective = dimod.BinaryQuadraticModel({"a": 1.0, "b": 1.0}, {}, 0.0, dimod.BINARY)
    problem = Problem(objective=objective, decoder=dict, constraints={"both": Constraint(both, ">=", 1.0)})
    stuck = as_it_is(problem, Scripted(lambda _call, _bqm: [[0, 0]]))
    assert stuck.best.violations == {"both": 1.0}
    assert as_it_is(problem, Scripted(lambda _call, _bqm: [[0, 0], [1, 1]])).best.value == {"a": 1, "b": 1}


@pytest.mark.parametrize(("sense", "budget", "amount"), [("<=", -3.0, 3.0), (">=", 21.0, 1.0)])
@pytest.mark.parametrize("name", ["exact", "neal", "pt"])
def test_a_budget_out_of_reach_is_a_result_with_its_violation(
    name: str, sense: str, budget: float, amount: float
) -> None:
    solution = solve(example(budget, sense), get_backend(name), {"seed": 0})
    assert not solution.best.feasible
    assert solution.best.violations == {"budget": pytest.approx(amount)}
    assert all(done.objective is None for done in solution.rounds)


@pytest.mark.parametrize("name", ["exact", "neal", "pt", "tabu"])
def test_an_equality_is_met_and_its_weight_is_reported(name: str) -> None:
    problem = example(12.0, "==")
    solution = solve(problem, get_backend(name), {"seed": 0, "num_reads": 20})
    assert solution.best.feasible
    assert solution.best.objective == pytest.approx(optimum(problem))
    assert set(solution.rounds[0].weights) == {"budget"}
    assert solution.rounds[-1].broken == ()


def test_a_backend_that_keeps_everything_gets_the_problem_itself_once() -> None:
    problem = example()
    backend = Scripted(lambda _call, _bqm: [row(2, 2, 2, 2), row(1, 1, 1, 1)], frozenset(ConstraintKind))
    solution = solve(problem, backend)
    assert len(backend.problems) == len(backend.options) == len(solution.rounds) == 1
    assert backend.problems[0] is problem
    assert solution.rounds[0].penalties is None
    assert solution.rounds[0].multipliers == {}


def test_a_service_that_breaks_what_it_claims_to_keep_is_found_out() -> None:
    backend = Scripted(lambda _call, _bqm: [row(2, 2, 2, 2)], frozenset(ConstraintKind), remote=True)
    solution = as_it_is(example(), backend)
    assert solution.best.violations == {"budget": pytest.approx(7.0)}
    assert len(solution.rounds) == 1


def test_where_a_backend_finds_nothing_within_the_constraints_they_are_relaxed() -> None:
    backend = Scripted(lambda _call, _bqm: [row(2, 2, 2, 2)], frozenset(ConstraintKind))
    solution = as_it_is(example(), backend)
    assert [set(done.multipliers) for done in solution.rounds[:2]] == [set(), {"budget"}]
    assert [set(problem.constraints) for problem in backend.problems[:2]] == [{"budget"}, set()]
    assert (solution.best.feasible, solution.repaired) == (True, True)


def test_without_constraints_the_best_row_is_returned_unchanged() -> None:
    objective = dimod.BinaryQuadraticModel({"a": -1.0, "b": -2.0}, {}, 0.0, dimod.BINARY)
    solution = as_it_is(Problem(objective=objective, decoder=dict), Scripted(lambda _call, _bqm: [[0, 0], [1, 0]]))
    assert solution.best.value == {"a": 1, "b": 0}
    assert solution.best.objective == -1.0
    assert not solution.repaired
    assert len(solution.rounds) == 1


@pytest.mark.parametrize("name", backend_names())
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
    assert solution.rounds[-1].broken == ()
    assert solution.best.feasible
    assert solution.best.objective == pytest.approx(optimum(problem))
    penalties = [done.penalties or (0.0, 0.0) for done in solution.rounds]
    assert (
        penalties == sorted(penalties, key=lambda bounds: bounds[0]) == sorted(penalties, key=lambda bounds: bounds[1])
    )
    assert all(done.broken for done in solution.rounds[:-1])


def test_some_of_these_problems_need_more_than_one_round_and_stiffer_penalties() -> None:
    """Otherwise the test above would show nothing."""
    rounds = [solve_by_penalties(seed).rounds for seed in range(20)]
    assert min(len(done) for done in rounds) == 1
    assert 1 < max(len(done) for done in rounds) < MAX_ROUNDS
    assert any(done[-1].penalties != done[0].penalties for done in rounds)

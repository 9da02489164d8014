"""Rows that become answers: repaired, each once, the best first."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import dimod
import pytest

from qubo_dnn.constraint import Constraint, ConstraintKind
from qubo_dnn.constraints.repair import repair
from qubo_dnn.errors import OptionError
from qubo_dnn.local_search import LocalState
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from tests.unit.solving.scripted import Rows, Scripted, as_it_is, example, one_hot_samples, optimum, row


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
    assert solution.calls == ()
    assert solution.best.feasible


def test_an_interrupt_while_candidates_are_decoded_keeps_the_best() -> None:
    calls = []

    def decoder(sample: Sample) -> Any:
        calls.append(sample)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return dict(sample)

    problem = replace(example(), decoder=decoder)
    solution = solve(problem, get_backend("exact"), {"num_reads": 20}, num_solutions=5)
    assert solution.interrupted
    assert solution.candidates == (solution.best,)


def test_candidates_are_the_best_different_feasible_answers() -> None:
    """A backend that keeps everything is not repaired, so that the candidates are its rows."""
    problem = example()
    feasible = [sample for sample in one_hot_samples(problem) if not problem.violations(sample)]
    rows = [list(sample.values()) for sample in feasible]
    solution = as_it_is(
        problem, Scripted(lambda _call, _bqm: [*rows, *rows], frozenset(ConstraintKind)), num_solutions=7
    )
    best = sorted(feasible, key=problem.objective.energy)[:7]
    assert [candidate.value for candidate in solution.candidates] == [problem.decoder(sample) for sample in best]
    assert solution.candidates[0] == solution.best


def test_candidates_come_from_all_rounds() -> None:
    def script(call: int, _bqm: Any) -> Rows:
        return [row(0, 0, 0, call % 2), row(0, 0, call % 2, 0)]

    alone = as_it_is(example(), Scripted(lambda _call, bqm: script(1, bqm)), num_solutions=99)
    both = as_it_is(example(), Scripted(script), num_solutions=99)
    assert len(both.candidates) >= len(alone.candidates)
    assert {json.dumps(each.value) for each in alone.candidates} <= {json.dumps(each.value) for each in both.candidates}


def test_no_more_candidates_than_the_rows_that_came() -> None:
    solution = as_it_is(example(), Scripted(lambda _call, _bqm: [row(2, 2, 2, 2)] * 5), num_solutions=4)
    assert solution.candidates == (solution.best,)
    assert len(as_it_is(example(), get_backend("exact"), {"num_reads": 20}).candidates) == 1


def test_without_a_feasible_answer_the_least_infeasible_is_the_only_candidate() -> None:
    solution = solve(example(-3.0), get_backend("exact"), {"num_reads": 20}, num_solutions=4)
    assert solution.candidates == (solution.best,)
    assert not solution.best.feasible


def test_at_least_one_candidate_has_to_be_kept() -> None:
    with pytest.raises(OptionError, match="num_solutions must be at least 1, not 0"):
        solve(example(), get_backend("exact"), num_solutions=0)


def test_after_the_time_limit_only_the_best_row_is_repaired() -> None:
    rows = [row(2, 2, 2, 2), row(1, 1, 1, 1), row(0, 0, 0, 0)]
    assert (
        len(as_it_is(example(), Scripted(lambda _call, _bqm: rows), {"time_limit": 1e-9}, num_solutions=5).candidates)
        == 1
    )
    assert len(as_it_is(example(), Scripted(lambda _call, _bqm: rows), num_solutions=5).candidates) > 1


@pytest.mark.parametrize("rows", [[row(2, 2, 2, 2)], [[0] * 12], [[1] * 12]])
def test_rows_that_break_groups_or_the_budget_are_repaired_and_said_to_be(rows: Rows) -> None:
    solution = as_it_is(example(), Scripted(lambda _call, _bqm: rows))
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

"""Calls of a backend: seeds, shares of the time limit, interrupts and failures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dimod
import pytest

from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.errors import BackendFailedError, OptionError
from qubo_dnn.local_search import LocalState, descend
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solution import BackendCall
from qubo_dnn.solving.solve import MAX_CALLS, solve
from qubo_dnn.testing.backend_cases.time import unhindered_seconds
from tests.unit.solving.scripted import Rows, Scripted, as_it_is, example, row, zeros


def test_without_a_seed_one_is_drawn_and_reported() -> None:
    backend = Scripted(lambda _call, _bqm: [row(0, 0, 0, 0)])
    seeds = {as_it_is(example(), backend).seed for _ in range(3)}
    assert len(seeds) == 3
    assert {options.seed for options in backend.options} >= seeds


def test_every_round_has_a_seed_of_its_own() -> None:
    backend = Scripted(zeros)
    solve(example(), backend, {"seed": 3})
    assert len({options.seed for options in backend.options}) == len(backend.options) == MAX_CALLS
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
        assert options.time_limit == pytest.approx(6000.0 / (MAX_CALLS - index), abs=60.0)


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
    assert len(solve(example(), backend, {"time_limit": 0.01}).calls) == 1
    assert len(backend.options) == 1


def test_the_time_limit_is_kept_roughly() -> None:
    backend = get_backend("pt")
    solve(example(), backend, {"seed": 0, "num_reads": 1})  # compiles
    started = unhindered_seconds()
    solution = solve(example(), backend, {"seed": 0, "time_limit": 0.6})
    assert unhindered_seconds() - started < 60.0
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
    assert len(cut.calls) == 1
    assert cut.best.feasible


def test_an_interrupt_between_two_calls_keeps_the_best_so_far() -> None:
    def stop(done: BackendCall) -> None:
        if done.number == 2:
            raise KeyboardInterrupt

    solution = as_it_is(example(), Scripted(zeros), progress=stop)
    assert solution.interrupted
    assert len(solution.calls) == 2
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
    assert len(solution.calls) == 2
    assert solution.best.feasible
    assert as_it_is(example(), Scripted(zeros)).failed is None


def test_a_failure_in_the_first_round_is_raised() -> None:
    with pytest.raises(BackendFailedError, match="the line went dead"):
        as_it_is(example(), Scripted(failing_in(1)))


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
    assert len(solution.calls) == 1


def test_a_backend_that_was_interrupted_is_not_asked_again() -> None:
    solution = as_it_is(example(), Scripted(zeros, info={"interrupted": True}))
    assert solution.interrupted
    assert len(solution.calls) == 1
    assert solution.best.feasible

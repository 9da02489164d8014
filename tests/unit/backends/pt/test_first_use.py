"""Runs whose kernels have to be compiled first."""

from __future__ import annotations

import logging
import pickle
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_backends._pt import first_use
from qubo_backends._pt.drive import Progress
from qubo_backends._pt.first_use import _numbered, sample_compiled
from qubo_backends._shared import sampling
from qubo_backends.parallel_tempering import ParallelTemperingOptions
from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import LowRank, Problem
from qubo_dnn.registry import get_formulation
from qubo_dnn.support.jit import COMPILED, KernelMissing


class Compilation:
    """Stands for a process that compiles for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._end = time.perf_counter() + seconds

    def of(self, _problem: Problem[Any]) -> Compilation:
        return self

    @property
    def runs(self) -> bool:
        return time.perf_counter() < self._end


@pytest.fixture
def problem() -> Problem[Any]:
    """A knapsack."""
    return get_formulation("knapsack").example(0).compile()


class Sampler:
    """Finds kernels from the second call on, and always the empty knapsack."""

    def __init__(self, problem: Problem[Any]) -> None:
        self.limits: list[float | None] = []
        self._problem = problem

    def __call__(self, options: ParallelTemperingOptions) -> dimod.SampleSet:
        self.limits.append(options.time_limit)
        if len(self.limits) == 1:
            raise KernelMissing
        return sampling.problem_answer(self._problem, np.zeros((1, len(self._problem.variables)), np.int8), {})


def run(
    problem: Problem[Any],
    sampler: Sampler,
    progress: Callable[[Progress], object] | None = None,
    **options: Any,
) -> dimod.SampleSet:
    answer = partial(sampling.problem_answer, problem)
    asked = ParallelTemperingOptions(seed=1, **options)
    return sample_compiled(lambda: problem, 0, asked, sampler, answer, progress)


def test_a_limit_that_ends_first_is_kept_by_a_feasible_answer(
    problem: Problem[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(first_use, "_Compilation", Compilation(1e9))
    sampler = Sampler(problem)
    found = run(problem, sampler, time_limit=0.5, num_reads=3)
    assert sampler.limits == [0.5]
    assert found.info["seconds"] >= 0.5
    assert len(found) == 3
    assert found.first.energy < 0.0
    assert not any(problem.decode(found.first.sample).violations.values())
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_kernels_that_are_ready_in_time_sample_for_the_rest(
    problem: Problem[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_use, "_Compilation", Compilation(0.2))
    sampler = Sampler(problem)
    found = run(problem, sampler, time_limit=60.0)
    _, left = sampler.limits
    assert left is not None
    assert left <= 59.8
    # The first answer is the better one.
    assert found.first.energy < 0.0


def test_an_interrupt_while_kernels_are_compiled_gives_the_first_answer(
    problem: Problem[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    monkeypatch.setattr(first_use, "_Compilation", Compilation(1e9))
    sampler = Sampler(problem)
    timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    found = run(problem, sampler, time_limit=600.0)
    assert found.info["interrupted"]
    assert found.first.energy < 0.0
    assert len(sampler.limits) == 1


def test_without_a_limit_the_first_answer_is_told_and_the_sampler_decides(
    problem: Problem[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_use, "_Compilation", None)  # no other process compiles
    told: list[Progress] = []
    sampler = Sampler(problem)
    # Equal seeds give equal answers whether kernels are there or not, so a worse one of the sampler stays.
    assert run(problem, sampler, told.append).first.energy == 0.0
    assert sampler.limits == [None, None]
    assert [(each.sweeps, each.best_energy < 0.0) for each in told] == [(0, True)]


def test_a_caller_that_has_enough_gets_the_first_answer(problem: Problem[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_use, "_Compilation", Compilation(1e9))

    def enough(_progress: Progress) -> None:
        raise StopIteration

    sampler = Sampler(problem)
    assert run(problem, sampler, enough).first.energy < 0.0
    assert len(sampler.limits) == 1


@pytest.mark.parametrize(
    ("interactions", "options", "from_disk"),
    [(0, {}, True), (2_000_000, {}, False), (2_000_000, {"time_limit": 60.0}, True)],
)
def test_a_large_problem_is_compiled_for_at_once_unless_a_limit_is_to_be_kept(
    interactions: int, options: dict[str, Any], from_disk: bool, problem: Problem[Any]
) -> None:
    refused: list[bool] = []

    def sampler(_options: ParallelTemperingOptions) -> dimod.SampleSet:
        refused.append(getattr(COMPILED.policy, "refused", False))
        return sampling.problem_answer(problem, np.zeros((1, len(problem.variables)), np.int8), {})

    answer = partial(sampling.problem_answer, problem)
    asked = ParallelTemperingOptions(seed=1, **options)
    assert sample_compiled(lambda: problem, interactions, asked, sampler, answer).first.energy == 0.0
    assert refused == [from_disk]


def test_whatever_labels_a_problem_has_it_reaches_the_other_process() -> None:
    class Label(str):
        """No other process knows this class."""

    labels = [Label(name) for name in "cab"]
    objective = dimod.BinaryQuadraticModel(dict(zip(labels, (1.0, 2.0, 3.0), strict=True)), {}, 0.5, "BINARY")
    objective.add_quadratic(labels[0], labels[2], 4.0)
    most = Constraint(dimod.BinaryQuadraticModel({labels[2]: 1.0}, {}, 0.0, "BINARY"), "<=", 1.0)
    given: Problem[Any] = Problem(
        objective=objective,
        decoder=lambda sample: sample,
        one_hot={"one": (labels[1], labels[0])},
        constraints={"most": most},
        low_rank=LowRank(tuple(labels[:2]), np.ones((2, 1), np.float32)),
        native=lambda candidates: candidates,
    )
    taken = pickle.loads(pickle.dumps(_numbered(given)))
    assert taken.variables == (0, 1, 2)
    assert dict(taken.objective.linear) == {given.index[label]: objective.linear[label] for label in labels}
    first, second, third = (given.index[label] for label in labels)
    assert taken.objective.quadratic[first, third] == 4.0
    assert list(taken.one_hot.values()) == [(second, first)]
    assert [dict(each.lhs.linear) for each in taken.constraints.values()] == [{third: 1.0}]
    assert taken.low_rank.variables == (first, second)

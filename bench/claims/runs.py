"""Independent runs of every backend on every problem, each with one thread and a time limit of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing import get_context
from typing import Any

import dimod

from bench.claims.cases import ClaimCase
from qubo_dnn.errors import QuboDnnError
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve

# An objective within this of the best known one, relative to it, is the best one.
SAME = 1e-7


@dataclass(frozen=True)
class TimedSolve:
    """One call of `qubo_dnn.solving.solve.solve`.

    Attributes:
        case, backend: names.
        seed: of the backend.
        time_limit: seconds it was given.
        seconds: wall-clock seconds it took.
        objective: of the best plan within the budget, None where there was none.
    """

    case: str
    backend: str
    seed: int
    time_limit: float
    seconds: float
    objective: float | None


@dataclass(frozen=True)
class SolveSeries:
    """The runs of one backend on one problem with one seed, each longer than the one before.

    Attributes:
        runs: as many as it took to reach the best known objective, or all.
        choice: option of every unit in the best plan, None where there was none.
        refused: why the backend did not take the problem, None where it did.
    """

    runs: tuple[TimedSolve, ...]
    choice: tuple[int, ...] | None
    refused: str | None


@dataclass(frozen=True)
class SolveJob:
    """What a process is asked to do.

    Attributes:
        case, backend, seed: of the runs.
        time_limits: ascending.
        best: objective that ends them.
        settings: further options of the backend.
    """

    case: str
    backend: str
    seed: int
    time_limits: tuple[float, ...]
    best: float
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from others."""
        return self.case, self.backend, self.seed


# The problems of a child process by their names; every process compiles those that it is asked for.
_CASES: dict[str, ClaimCase] = {}


def series(
    cases: Sequence[ClaimCase], jobs: Iterable[SolveJob], processes: int
) -> Iterator[tuple[SolveJob, SolveSeries]]:
    """Run all jobs, several at a time.

    Args:
        cases: by whose names jobs go.
        jobs: to be done, in any order.
        processes: at a time, one thread each after `bench.processes.one_thread`.

    Yields:
        Jobs as they end.
    """
    # A copy has not compiled its problem, whose labels cannot be pickled.
    sent = {case.name: replace(case) for case in cases}
    with ProcessPoolExecutor(processes, get_context("spawn"), _receive, (sent,)) as pool:
        try:
            waiting = {pool.submit(_series, job): job for job in jobs}
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _receive(cases: Mapping[str, ClaimCase]) -> None:
    _CASES.update(cases)


def _series(job: SolveJob) -> SolveSeries:
    case, backend = _CASES[job.case], get_backend(job.backend)
    problem = case.problem
    runs: list[TimedSolve] = []
    best, choice = float("inf"), None
    for time_limit in job.time_limits:
        try:
            if not runs:
                warm(job.backend)
            solution = solve(problem, backend, {**job.settings, "seed": job.seed, "time_limit": time_limit})
        except QuboDnnError as error:
            return SolveSeries(tuple(runs), choice, str(error))
        found = solution.best.objective if solution.best.feasible else None
        runs.append(TimedSolve(job.case, job.backend, job.seed, time_limit, solution.seconds, found))
        if found is not None and found < best:
            best, choice = found, tuple(int(option) for option in case.task.choice(solution.best.value))
        if best <= job.best + SAME * abs(job.best):
            break
    return SolveSeries(tuple(runs), choice, None)


@cache
def warm(backend: str) -> None:
    """Compile or load what a first call has to, so that no clock counts it."""
    objective = dimod.BinaryQuadraticModel({"a": 1.0, "b": -1.5}, {("a", "b"): 0.3}, 0.0, dimod.BINARY)
    able = get_backend(backend)
    options: dict[str, Any] = {"seed": 0, "time_limit": 1.0}
    solve(Problem(objective=objective, decoder=dict, one_hot={"one": ("a", "b")}), able, options)

"""Compare backends on one problem, with equal time limits and several seeds: quality and time to the best answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from qubo_dnn.backend import Backend, make_options
from qubo_dnn.cluster.cluster import Cluster
from qubo_dnn.cluster.tasks import ordered_map
from qubo_dnn.errors import OptionError, UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solution import Solution
from qubo_dnn.solving.solve import solve
from qubo_dnn.support.arguments import checked

# Separate runs with these shares of the time limit show how the quality depends on the time.
SHARES = (0.125, 0.25, 0.5, 1.0)
# A backend is restarted if at least this share of the time is left.
_WORTH_RESTARTING = 0.1


@dataclass(frozen=True)
class Contender:
    """A backend with options, as one entry of a comparison.

    Attributes:
        name: the text as typed.
        backend: the backend.
        options: option name -> value.

    Example:
        >>> contender = Contender.parse("tabu:num_reads=20")
        >>> contender.backend.name, contender.options
        ('tabu', {'num_reads': '20'})
    """

    name: str
    backend: Backend
    options: Mapping[str, str]

    @classmethod
    @checked
    def parse(cls, text: str) -> Contender:
        """Parse `BACKEND` or `BACKEND:option=value,option=value`.

        BACKEND may include a variant, as in `qpu-emulator:zephyr:15`.

        Raises:
            OptionError: the text is malformed, or the backend has no such option.
            UnknownBackendError: no backend of that name is installed.
        """
        # Options begin after the last colon before the first "=", since variants and values may contain colons.
        before, equals, after = text.partition("=")
        name, _, first = before.rpartition(":") if equals else (before, "", "")
        rest = first + equals + after
        options: dict[str, str] = {}
        for word in filter(None, rest.split(",")):
            key, equals, value = word.partition("=")
            if not (key and equals) or key in ("seed", "time_limit"):
                raise OptionError(f"--backend takes NAME:option=value,... without seed and time_limit, not {text!r}")
            options[key] = value
        try:
            backend = get_backend(name)
        except OptionError as cause:
            raise OptionError(f"--backend takes NAME:option=value,...: {cause}") from cause
        make_options(backend, options)
        return cls(text, backend, options)


@dataclass(frozen=True)
class ContenderRun:
    """One run of a contender.

    Attributes:
        time_limit: time limit in seconds; None if the backend takes none.
        seed: seed of the run; None if the backend takes none.
        objective: best objective, in the problem's sense.
        feasible: True if the best answer breaks no constraint.
        seconds: wall-clock seconds until the end of the restart that found the best answer.
        interrupted: True if Ctrl-C ended the run.

    Example:
        >>> run = ContenderRun(time_limit=1.0, seed=1, objective=5.0, feasible=True, seconds=0.3, interrupted=False)
        >>> run.objective
        5.0
    """

    time_limit: float | None
    seed: int | None
    objective: float
    feasible: bool
    seconds: float
    interrupted: bool


@dataclass(frozen=True)
class Record:
    """All runs of one contender.

    Attributes:
        contender: the contender.
        trials: its runs.
        refusal: reason why it cannot take the problem; None if it can.

    Example:
        >>> runs = [ContenderRun(limit, 1, 5.0, True, 0.3, False) for limit in (0.5, 1.0)]
        >>> record = Record(Contender.parse("tabu"), tuple(runs))
        >>> len(record.final())
        1
    """

    contender: Contender
    trials: tuple[ContenderRun, ...]
    refusal: str | None = None

    def final(self) -> list[ContenderRun]:
        """Return the runs with the full time limit."""
        longest = max((trial.time_limit or 0.0 for trial in self.trials), default=0.0)
        return [trial for trial in self.trials if (trial.time_limit or 0.0) == longest]


@checked
def compare(
    problem: Problem[Any],
    contenders: Sequence[Contender],
    time_limit: float,
    seeds: Sequence[int],
    progress: Callable[[str], None] | None = None,
    cluster: Cluster | None = None,
) -> list[Record]:
    """Run every contender with equal time limits, in alternation, so that other load on the machine affects all.

    Args:
        problem: problem to solve.
        contenders: at least one.
        time_limit: time limit of the longest runs in seconds; `SHARES` of it give the shorter runs.
        seeds: one run for each seed and each time limit.
        progress: called with a description of each run before it starts.
        cluster: workers that do the runs, in the same order, and each on one core if they have one each; None: they
            take place here.

    Returns:
        One record per contender, in their order. Ctrl-C ends the comparison early.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> partition = get_formulation("number-partitioning")([3, 1, 2]).compile()
        >>> records = compare(partition, [Contender.parse("steepest-descent")], 0.01, [1])
        >>> [run.time_limit for run in records[0].trials]
        [0.00125, 0.0025, 0.005, 0.01]
    """
    planned = [
        (index, share * time_limit, seed)
        for share in SHARES
        for seed in seeds
        for index, contender in enumerate(contenders)
        if contender.backend.capabilities.timed or share == 1.0
    ]
    trials: dict[int, list[ContenderRun]] = {index: [] for index in range(len(contenders))}
    refusals: dict[int, str] = {}

    def asked() -> Iterator[tuple[int, float, int]]:
        for index, limit, seed in planned:
            if progress and index not in refusals:
                progress(f"{contenders[index].name}, {limit:g} s, seed {seed}")
            yield index, limit, seed

    # A refused contender has no further runs, which those on their way to workers find out again.
    subject = _Subject(problem, tuple(contenders))
    try:
        for (index, _, _), done in zip(planned, ordered_map(cluster, _attempt, asked(), subject), strict=False):
            if isinstance(done, str):
                refusals[index] = done
            else:
                trials[index].append(done)
                if done.interrupted:
                    break
    except KeyboardInterrupt:
        # No run on a worker has heard of it, and those that are finished count.
        if cluster is None or not any(trials.values()):
            raise
    return [Record(each, tuple(trials[index]), refusals.get(index)) for index, each in enumerate(contenders)]


def number_of_runs(contenders: Sequence[Contender], seeds: int) -> int:
    """Return the number of runs of a comparison in which all contenders take the problem.

    Example:
        >>> number_of_runs([Contender.parse("tabu"), Contender.parse("exact")], seeds=3)
        24
    """
    return seeds * sum(len(SHARES) if each.backend.capabilities.timed else 1 for each in contenders)


def expected_seconds(contenders: Sequence[Contender], time_limit: float, seeds: int) -> float | None:
    """Return the seconds of such a comparison; None if a backend takes no time limit, so that they are not known.

    Example:
        >>> expected_seconds([Contender.parse("tabu")], time_limit=8.0, seeds=3)
        45.0
    """
    if not all(each.backend.capabilities.timed for each in contenders):
        return None
    return seeds * len(contenders) * sum(SHARES) * time_limit


@dataclass(frozen=True)
class _Subject:
    """What all runs share."""

    problem: Problem[Any]
    contenders: Sequence[Contender]


def _attempt(subject: _Subject, index: int, time_limit: float, seed: int) -> ContenderRun | str:
    """Return a run of a contender, or the reason why it cannot take the problem."""
    try:
        return _run(subject.problem, subject.contenders[index], time_limit, seed)
    except UnsupportedProblemError as cause:
        return str(cause)


def _run(problem: Problem[Any], contender: Contender, time_limit: float, seed: int) -> ContenderRun:
    """Return the best run within the time; a backend that ends early restarts with another seed."""
    able = contender.backend.capabilities
    options: dict[str, Any] = dict(contender.options)
    started = time.perf_counter()
    best: Solution[Any] | None = None
    for restart in count():
        left = time_limit - (time.perf_counter() - started)
        if restart and left < _WORTH_RESTARTING * time_limit:
            break
        if able.timed:
            options["time_limit"] = max(left, 1e-3)
        if able.seeded:
            options["seed"] = int(np.random.SeedSequence([seed, restart]).generate_state(1)[0]) if restart else seed
        found = solve(problem, contender.backend, options)
        if best is None or _rank(problem, found) < _rank(problem, best):
            best, reached = found, time.perf_counter() - started
        if not able.timed or not able.seeded or able.exact or found.interrupted:
            break
    assert best is not None  # the first run always takes place
    return ContenderRun(
        time_limit=time_limit if able.timed else None,
        seed=seed if able.seeded else None,
        objective=best.best.objective,
        feasible=best.best.feasible,
        seconds=reached,
        interrupted=best.interrupted,
    )


def _rank(problem: Problem[Any], solution: Solution[Any]) -> tuple[bool, float]:
    objective = solution.best.objective
    return not solution.best.feasible, -objective if problem.sense == "max" else objective


@checked
def summarise(records: Sequence[Record], sense: str) -> list[dict[str, Any]]:
    """Summarise each contender: best, mean and worst objective, feasibility and time to the best objective.

    Args:
        records: records of one problem.
        sense: sense of the problem, "min" or "max".

    Returns:
        One row per contender. `best`, `mean` and `worst` are over feasible answers with the full time limit, None
        without any. `to_best` is the shortest time, over all seeds, to the best objective of all contenders; None if
        the contender did not reach it.

    Example:
        >>> runs = [ContenderRun(1.0, seed, objective, True, 0.3, False) for seed, objective in ((1, 5.0), (2, 7.0))]
        >>> row = summarise([Record(Contender.parse("tabu"), tuple(runs))], "min")[0]
        >>> row["best"], row["mean"], row["feasible"], row["to_best"]
        (5.0, 6.0, '2/2', 0.3)
    """
    better, worse = (max, min) if sense == "max" else (min, max)
    all_found = [trial.objective for record in records for trial in record.trials if trial.feasible]
    best = better(all_found) if all_found else None
    rows = []
    for record in records:
        final = record.final()
        objectives = [trial.objective for trial in final if trial.feasible]
        reached = [
            trial.seconds
            for trial in record.trials
            if trial.feasible and best is not None and np.isclose(trial.objective, best, rtol=1e-9, atol=1e-12)
        ]
        rows.append(
            {
                "backend": record.contender.name,
                "best": better(objectives) if objectives else None,
                "mean": float(np.mean(objectives)) if objectives else None,
                "worst": worse(objectives) if objectives else None,
                "feasible": f"{len(objectives)}/{len(final)}",
                "to_best": min(reached) if reached else None,
                "refusal": record.refusal,
            }
        )
    return rows

"""Backends side by side on one problem: equal time, several seeds, and how soon each finds what it finds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from qubo_dnn.arguments import checked
from qubo_dnn.backend import Backend, make_options
from qubo_dnn.errors import OptionError, UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solution import Solution
from qubo_dnn.solving.solve import solve

# Runs of these shares of the time limit, each of its own, show how soon a backend is how good.
SHARES = (0.125, 0.25, 0.5, 1.0)
# A run is started again where at least this share of the time is left.
_WORTH_RESTARTING = 0.1


@dataclass(frozen=True)
class Contender:
    """A backend with options.

    Attributes:
        name: as typed.
        backend: of that name.
        options: name -> value.
    """

    name: str
    backend: Backend
    options: Mapping[str, str]

    @classmethod
    @checked
    def parse(cls, text: str) -> Contender:
        """`BACKEND` or `BACKEND:option=value,option=value`, where BACKEND may have a variant: `qpu-emulator:zephyr:15`.

        Raises:
            OptionError: the text is malformed, or the backend has no such option.
            UnknownBackendError: there is no such backend.
        """
        # Options begin after the last colon before the first "=": a variant has colons, and a value may have.
        before, equals, after = text.partition("=")
        name, _, first = before.rpartition(":") if equals else (before, "", "")
        rest = first + equals + after
        options: dict[str, str] = {}
        for word in filter(None, rest.split(",")):
            key, equals, value = word.partition("=")
            if not (key and equals) or key in ("seed", "time_limit"):
                raise OptionError(
                    f"--backend takes NAME:option=value,..., with seeds and time of its own, not {text!r}"
                )
            options[key] = value
        try:
            backend = get_backend(name)
        except OptionError as cause:
            raise OptionError(f"--backend takes NAME:option=value,...: {cause}") from cause
        make_options(backend, options)
        return cls(text, backend, options)


@dataclass(frozen=True)
class ContenderRun:
    """One run.

    Attributes:
        time_limit: seconds it was given, None where the backend takes none.
        seed: its seed, None where the backend takes none.
        objective: best, in the problem's sense.
        feasible: whether that breaks no constraint.
        seconds: wall-clock seconds until the run that found it had ended.
        interrupted: by Ctrl-C.
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
        contender: which.
        trials: its runs.
        refusal: why it cannot take the problem, None where it can.
    """

    contender: Contender
    trials: tuple[ContenderRun, ...]
    refusal: str | None = None

    def final(self) -> list[ContenderRun]:
        """The runs with the whole time."""
        longest = max((trial.time_limit or 0.0 for trial in self.trials), default=0.0)
        return [trial for trial in self.trials if (trial.time_limit or 0.0) == longest]


@checked
def compare(
    problem: Problem[Any],
    contenders: Sequence[Contender],
    time_limit: float,
    seeds: Sequence[int],
    progress: Callable[[str], None],
) -> list[Record]:
    """Run every contender for equal times, taking turns, so that a busy spell of the machine hits all.

    Args:
        problem: to be solved.
        contenders: at least one.
        time_limit: seconds of the longest runs; shorter ones are added by `SHARES`.
        seeds: one run each.
        progress: told what runs next.

    Returns:
        One record per contender, in their order; Ctrl-C ends them early.
    """
    trials: dict[int, list[ContenderRun]] = {index: [] for index in range(len(contenders))}
    refusals: dict[int, str] = {}
    for share in SHARES:
        for seed in seeds:
            for index, contender in enumerate(contenders):
                if index in refusals or (not contender.backend.capabilities.timed and share < 1.0):
                    continue
                progress(f"{contender.name}, {share * time_limit:g} s, seed {seed}")
                try:
                    trials[index].append(_run(problem, contender, share * time_limit, seed))
                except UnsupportedProblemError as cause:
                    refusals[index] = str(cause)
                    continue
                if trials[index][-1].interrupted:
                    return _records(contenders, trials, refusals)
    return _records(contenders, trials, refusals)


def _records(
    contenders: Sequence[Contender], trials: Mapping[int, Sequence[ContenderRun]], refusals: Mapping[int, str]
) -> list[Record]:
    return [Record(each, tuple(trials[index]), refusals.get(index)) for index, each in enumerate(contenders)]


def _run(problem: Problem[Any], contender: Contender, time_limit: float, seed: int) -> ContenderRun:
    """The best of as many runs as fit into the time: a backend that ends early is started again with another seed."""
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
    """The table: of every contender its best, mean and worst objective, feasibility, and time to the best.

    Args:
        records: of one problem.
        sense: of the problem.

    Returns:
        Objectives of feasible answers with the whole time, None where there is none; `to_best` is the shortest time in
        which any seed found the best objective of all contenders, None where it did not.
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

"""What is read off the runs: shifted geometric means of gaps, ranks, and where `pt` is behind."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.solvers.broad.results import BroadResults
from bench.solvers.figures import reference
from bench.solvers.instance import BestKnown
from bench.solvers.peers.pt import NAME as PT
from bench.solvers.run import SolverRun

SHIFT = 0.01
"""Added to a gap, in %, before its logarithm is taken, and subtracted from the mean."""
WORST = 100.0
"""The gap, in %, of a run without a feasible answer, and the largest of any."""
BEHIND = 1.0
"""Percentage points by which `pt` may be behind the best of the others."""
EQUAL = 1e-6
"""Gaps that differ by less, in percentage points, are equal."""

Gaps = Mapping[str, Mapping[str, float]]
"""Instance -> solver -> gap in %, mean over the seeds."""


def moments(results: BroadResults) -> list[float]:
    """The CPU seconds at which gaps are read."""
    return [seconds for seconds in (1.0, 5.0) if seconds < results.seconds] + [results.seconds]


def bests(results: BroadResults) -> dict[str, BestKnown]:
    """The value that gaps of each instance are counted from."""
    by_instance = _by_instance(results)
    return {
        name: reference(each.about, by_instance[name], results.seconds)
        for name, each in results.instances.items()
        if any(run.trace for run in by_instance.get(name, ())) or (each.about.best and name in by_instance)
    }


def _by_instance(results: BroadResults) -> dict[str, list[SolverRun]]:
    found: dict[str, list[SolverRun]] = {}
    for run in results.runs:
        found.setdefault(run.instance, []).append(run)
    return found


def gaps(results: BroadResults, seconds: float, names: Iterable[str]) -> Gaps:
    """Gaps after so many CPU seconds.

    Args:
        results: with at least one run.
        seconds: at most the budget.
        names: of instances; those without an answer are left out.
    """
    best, by_instance = bests(results), _by_instance(results)
    found: dict[str, dict[str, float]] = {}
    for name in names:
        if name not in best:
            continue
        about, of_solver = results.instances[name].about, dict[str, list[float]]()
        for run in by_instance[name]:
            # An answer that is worse than nothing must not count more than none.
            gap = min(WORST, run.gap(seconds, about, best[name].value))
            of_solver.setdefault(run.solver, []).append(max(0.0, gap))
        found[name] = {solver: statistics.fmean(each) for solver, each in of_solver.items()}
    return found


def shifted_mean(values: Sequence[float]) -> float:
    """The shifted geometric mean of gaps, in %.

    Example:
        >>> round(shifted_mean([0.0, 0.99]), 6)
        0.09
    """
    return math.exp(statistics.fmean(math.log(value + SHIFT) for value in values)) - SHIFT


def ranks(of_solver: Mapping[str, float]) -> dict[str, float]:
    """The rank of every solver on an instance, from 1; equal gaps share the mean of their ranks.

    Example:
        >>> ranks({"a": 0.5, "b": 0.0, "c": 0.0})
        {'a': 3.0, 'b': 1.5, 'c': 1.5}
    """
    found = {}
    for solver, own in of_solver.items():
        less = sum(other < own - EQUAL for other in of_solver.values())
        same = sum(abs(other - own) <= EQUAL for other in of_solver.values())
        found[solver] = less + (same + 1) / 2.0
    return found


@dataclass(frozen=True)
class Score:
    """A solver on the instances that it ran on, at a moment.

    Attributes:
        solver: its name.
        instances: how many.
        mean: shifted geometric mean of its gaps, in %.
        ours: that of `pt` on the same instances; None where it did not run on them.
        rank: mean.
        best: on how many no other solver is better.
    """

    solver: str
    instances: int
    mean: float
    ours: float | None
    rank: float
    best: int


def scores(found: Gaps) -> dict[str, Score]:
    """Solver -> score; `pt` is first, the others follow in the order of their means."""
    own: dict[str, list[str]] = {}
    for name, of_solver in found.items():
        for solver in of_solver:
            own.setdefault(solver, []).append(name)
    every = [_score(found, solver, names) for solver, names in own.items()]
    return {each.solver: each for each in sorted(every, key=lambda each: (each.solver != PT, each.mean))}


def _score(found: Gaps, solver: str, names: Sequence[str]) -> Score:
    places = [ranks(found[name])[solver] for name in names]
    best = sum(found[name][solver] <= min(found[name].values()) + EQUAL for name in names)
    there = all(PT in found[name] for name in names)
    return Score(
        solver,
        len(names),
        shifted_mean([found[name][solver] for name in names]),
        shifted_mean([found[name][PT] for name in names]) if there else None,
        statistics.fmean(places),
        best,
    )


def best_peer(of_solver: Mapping[str, float]) -> tuple[str, float] | None:
    """The best of the others on an instance; None where there is none."""
    others = {solver: gap for solver, gap in of_solver.items() if solver != PT}
    return min(others.items(), key=lambda each: each[1]) if others else None


def behind(of_solver: Mapping[str, float]) -> float | None:
    """By how many percentage points `pt` is behind the best of the others; None where it or they did not run."""
    best = best_peer(of_solver)
    return None if best is None or PT not in of_solver else of_solver[PT] - best[1]

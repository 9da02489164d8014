"""What is read off the runs: times to targets, chances of success, and times to solution, with confidence intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

from bench.claims.runs import SAME, TimedSolve

TARGETS = (0.0, 0.001, 0.01)
"""Objectives above the best known one, relative to it, that count as success."""
# Chance with which a time to solution reaches its target.
_SURE = 0.99


@dataclass(frozen=True)
class Reached:
    """How one backend did on one problem, for one target.

    Attributes:
        seconds: median over the seeds of the seconds of the shortest run that reached the target; infinite where more
            than half of the seeds never did.
        successes, seeds: how many of how many seeds reached it, within the longest time limit.
        solution: (least, best guess, largest) time to solution: seconds until it is reached with a chance of 99 %, by
            runs of one time limit one after the other, at the best of the limits.
    """

    seconds: float
    successes: int
    seeds: int
    solution: tuple[float, float, float]


def excess(objective: float | None, best: float) -> float:
    """By how much an objective is above the best one, relative to it; infinite without an answer."""
    if objective is None:
        return math.inf
    return (objective - best) / abs(best) if best else objective


def wilson(successes: int, count: int) -> tuple[float, float]:
    """95 % confidence interval of a chance.

    Source: Wilson 1927.
    """
    interval = binomtest(successes, count).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def time_to_solution(seconds: float, chance: float) -> float:
    """Seconds until runs of so many seconds have succeeded with a chance of 99 %.

    Source: Ronnow et al. 2014, "Defining and detecting quantum speedup".
    """
    if chance <= 0.0:
        return math.inf
    return seconds if chance >= _SURE else seconds * math.log1p(-_SURE) / math.log1p(-chance)


def reached(runs: Sequence[TimedSolve], best: float, target: float) -> Reached:
    """Of the runs of one backend on one problem.

    A seed that reached the best objective has no longer runs; they would have reached it too.

    Args:
        runs: of all seeds, at least one.
        best: objective.
        target: see `TARGETS`.
    """
    seeds = sorted({run.seed for run in runs})
    limits = sorted({run.time_limit for run in runs})
    first: dict[int, TimedSolve] = {}
    for run in sorted(runs, key=lambda each: each.time_limit):
        if excess(run.objective, best) <= target + SAME:
            first.setdefault(run.seed, run)
    seconds = statistics.median_high(first[seed].seconds if seed in first else math.inf for seed in seeds)
    guesses = []
    for limit in limits:
        good = sum(run.time_limit <= limit for run in first.values())
        took = statistics.mean(run.seconds for run in runs if run.time_limit == limit)
        low, high = wilson(good, len(seeds))
        guesses.append(tuple(time_to_solution(took, chance) for chance in (high, good / len(seeds), low)))
    solution = min(guesses, key=lambda each: (each[1], each[2]))
    return Reached(seconds, len(first), len(seeds), (solution[0], solution[1], solution[2]))

"""What is read off the runs: gaps, times to the best value, flips, and ratios."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.solvers.clock import best_at, time_to
from bench.solvers.instance import BestKnown, gap
from bench.solvers.run import InstanceSummary, SolverResults, SolverRun

# In % of a best value.
_ROUNDING = 1e-7


@dataclass(frozen=True)
class Figures:
    """One solver on one instance, over the seeds.

    Attributes:
        instance, solver: names.
        gaps: in % of the best value, of every seed, when the budget was spent; infinite where there was no answer yet.
        times: CPU seconds to the best value, of every seed; infinite where it was not reached within the budget.
        flips_per_second: median; None where the solver has no such thing.
    """

    instance: str
    solver: str
    gaps: Sequence[float]
    times: Sequence[float]
    flips_per_second: float | None

    @property
    def gap(self) -> float:
        """The median gap."""
        return statistics.median(self.gaps)

    @property
    def time(self) -> float:
        """The median time; infinite unless more than half of all runs got there.

        A run that missed took longer than the budget, nobody knows how long. Of an even number of runs the median lies
        between two of them, and above the budget as far as is known if one of these missed.
        """
        return statistics.median(self.times)

    @property
    def reached(self) -> int:
        """Runs that reached the best value."""
        return sum(math.isfinite(time) for time in self.times)


def reference(about: InstanceSummary, runs: Sequence[SolverRun], seconds: float) -> BestKnown:
    """The best value known of an instance, or of all its runs within the budget where that is better.

    Raises:
        ValueError: nothing is known, and no run has an answer.
    """
    pick = max if about.sense == "max" else min
    found = [value for run in runs if (value := best_at(run.trace, seconds)) is not None]
    # What rounding adds to a sum is no better value.
    if about.best is not None and (not found or gap(pick(found), about.best.value, about.sense) >= -_ROUNDING):
        return about.best
    return BestKnown(pick(found), "best of the run")


def best_of(results: SolverResults, name: str) -> BestKnown:
    """`reference` of one instance."""
    runs = [run for run in results.runs if run.instance == name]
    return reference(results.instances[name], runs, results.seconds)


def figures(results: SolverResults, name: str) -> list[Figures]:
    """Of one instance, solver by solver."""
    about, best, seconds = results.instances[name], best_of(results, name).value, results.seconds
    # `time_to` looks for small values.
    sign = -1.0 if about.sense == "max" else 1.0
    found = []
    for solver in results.solvers:
        own = [run for run in results.runs if (run.instance, run.solver) == (name, solver)]
        if not own:
            continue
        times = [time_to([(when, sign * value) for when, value in run.trace], sign * best, seconds) for run in own]
        rates = [run.flips_per_second for run in own if run.flips_per_second is not None]
        found.append(
            Figures(
                *(name, solver, [run.gap(seconds, about, best) for run in own]),
                [math.inf if time is None else time for time in times],
                statistics.median(rates) if rates else None,
            )
        )
    return found


def times_quicker(ours: float, theirs: float, seconds: float) -> str:
    """How many times sooner we are at the best value, by median times of which one may be above the budget."""
    if math.isinf(ours) and math.isinf(theirs):
        return ""
    if math.isinf(theirs):
        return f"> {_short(seconds / ours)}"
    if math.isinf(ours):
        return f"< {_short(theirs / seconds)}"
    return _short(theirs / ours)


def times_closer(ours: float, theirs: float) -> str:
    """How many times smaller our median gap is."""
    if ours <= 0.0 and theirs <= 0.0:
        return ""
    if ours <= 0.0 or math.isinf(theirs):
        return "all of it"
    return _short(theirs / ours)


def _short(ratio: float) -> str:
    return f"{ratio:.2g}" if ratio < 100 else f"{ratio:.0f}"

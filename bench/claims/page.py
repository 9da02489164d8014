"""The page of a run, made from its JSON."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from bench.claims.figures import TARGETS, Reached, reached
from bench.claims.results import CaseSummary, ClaimResults, Rewarded, Tuned
from bench.claims.verdicts import verdicts
from bench.tables import Table, grouped, with_range


def page(results: ClaimResults, about: str) -> str:
    """As Markdown.

    Args:
        results: at least one problem.
        about: what the benchmark is and how it is run, in Markdown.
    """
    settings = ", ".join(f"{name} {value}" for name, value in results.settings.items())
    parts = [
        "# Annealing against genetic algorithms and reinforcement learning",
        about.strip(),
        f"Settings: {settings}. All of it took {results.seconds / 60:.0f} minutes.",
        "## What holds of the claim",
        *verdicts(results),
        "## Problems",
        _PROBLEMS.markdown(results.cases),
    ]
    for name, tried in results.tuning.items():
        parts += [
            "## Settings tried",
            f"On {name}; the best of each backend, which the runs below are made with, first.",
            _SETTINGS.markdown(tried),
        ]
    for case in results.cases:
        parts += [f"## {case.name}", _reference(case), _times(results, case)]
        refused = results.refused.get(case.name, {})
        if refused:
            parts.append("\n".join(f"- `{name}` does not take it: {refused[name]}" for name in sorted(refused)))
        parts.append(f"![Excess over seconds]({picture(case)}.png)")
    if results.rewarded:
        parts += [
            "## Rewards measured on the network",
            "Means over the seeds; seconds include measuring the model. The divergence is that of the rewritten "
            "network on the images measured on, in nats, which the genetic algorithm and the policy minimise, plan by "
            "plan; `pt` minimises the model of it.",
            _REWARDS.markdown(grouped(results.rewarded, "case", "backend").values()),
        ]
    return "\n\n".join(parts) + "\n"


def picture(case: CaseSummary) -> str:
    """Name of a problem's picture, without its ending."""
    return "".join(letter if letter.isalnum() else "-" for letter in case.name.lower()).replace("--", "-")


def _problem(case: CaseSummary) -> tuple[str, ...]:
    gap = "not proven"
    if case.gap is not None and case.gap < 1.0:
        gap = "proven: 0" if case.gap <= 1e-9 else f"{100 * case.gap:.3g} %"
    whose = "the paper's" if case.of_paper else "ours"
    return (
        *(case.name, whose, f"{case.units:,}", f"{case.variables:,}", f"{case.interactions:,}"),
        *(f"{case.measure_seconds:.1f}", f"{case.best:.6g}", gap, case.proof),
    )


def _rewards(own: Sequence[Rewarded]) -> tuple[str, ...]:
    return (
        *(own[0].case, own[0].backend, f"{statistics.fmean(each.evaluations for each in own):,.0f}"),
        f"{statistics.fmean(each.seconds for each in own):.0f}",
        with_range([each.divergence for each in own], ".4f"),
        with_range([100 * each.as_given for each in own], ".2f"),
        with_range([100 * each.recovered for each in own], ".2f"),
    )


def _tuned(each: Tuned) -> tuple[str, ...]:
    given = ", ".join(f"{name} {value}" for name, value in each.settings.items() if value is not None)
    return each.backend, given or "defaults", f"{each.reached} of {each.runs}", f"{100 * each.excess:.3g}"


_PROBLEMS = Table(
    "problem | Hamiltonian | units | variables | interactions | measuring, s | best "
    "| optimum is below by at most | proof",
    _problem,
)
_REWARDS = Table("problem | by | plans measured | seconds | divergence | accuracy, % | recovered, %", _rewards)
_SETTINGS = Table("backend | settings | runs at the optimum | mean excess, %", _tuned)


def _reference(case: CaseSummary) -> str:
    return (
        "Median seconds until the best known objective, and until 0.1 % and 1 % above it, with how many seeds "
        f"got there. The network as it was: {100 * case.reference:.2f} %."
    )


def _times(results: ClaimResults, case: CaseSummary) -> str:
    tested = {each.backend: each for each in results.outcomes if each.case == case.name}

    def cells(backend: str) -> tuple[str, ...]:
        each = [reached(results.of(case.name, backend), case.best, target) for target in TARGETS]
        accuracies = ("", "")
        if backend in tested:
            accuracies = (f"{100 * tested[backend].as_given:.2f}", f"{100 * tested[backend].recovered:.2f}")
        return backend, *map(_seconds, each), _interval(each[0].solution), *accuracies

    backends = sorted({run.backend for run in results.runs if run.case == case.name})
    headings = "backend | best | 0.1 % | 1 % | time to solution at 99 %, s | accuracy, % | recovered, %"
    return Table(headings, cells).markdown(backends)


def _seconds(each: Reached) -> str:
    median = "-" if math.isinf(each.seconds) else f"{each.seconds:.2g}"
    return f"{median} ({each.successes} of {each.seeds})"


def _interval(solution: tuple[float, float, float]) -> str:
    low, guess, high = (f"{value:.2g}" if math.isfinite(value) else "no end" for value in solution)
    return "-" if math.isinf(solution[1]) else f"{guess} ({low} to {high})"

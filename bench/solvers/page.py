"""The results as Markdown: rows as they come, and the page of a folder of results."""

from __future__ import annotations

import math

from bench.solvers.figures import Figures, best_of, figures, times_closer, times_quicker
from bench.solvers.peers.pt import NAME as PT
from bench.solvers.run import InstanceSummary, SolverResults
from bench.tables import header, line

PICTURE = "gaps"
# Gaps below are drawn here: a logarithmic axis has no place for the best value itself.
FLOOR = 1e-3
HEADINGS = ("instance", "solver", "gap, % (range)", "s to the best (runs)", "flips, 10^6/s")
_RATIOS = ("instance", "solver", "times nearer", "times sooner at the best", "times as many flips")


def rows(results: SolverResults, about: InstanceSummary) -> list[str]:
    """The lines of one instance, solver by solver."""
    return [
        line((each.instance, each.solver, gaps(each), times(each, results.seconds), _flips(each)))
        for each in figures(results, about.name)
    ]


def gaps(each: Figures) -> str:
    """Median gap with the range."""
    median = _percent(each.gap)
    if len(each.gaps) == 1:
        return median
    return f"{median} ({_percent(min(each.gaps))} to {_percent(max(each.gaps))})"


def _percent(value: float) -> str:
    return "no answer" if math.isinf(value) else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def times(each: Figures, seconds: float) -> str:
    """Median time to the best value, and how many runs reached it."""
    median = f"> {seconds:g}" if math.isinf(each.time) else f"{each.time:.2f}"
    return f"{median} ({each.reached} of {len(each.times)})"


def _flips(each: Figures) -> str:
    return "" if each.flips_per_second is None else f"{each.flips_per_second / 1e6:.3g}"


def ratios(results: SolverResults) -> list[str]:
    """The lines that compare `pt` with every other solver; none where it did not run."""
    found = []
    for name in results.instances:
        by_solver = {each.solver: each for each in figures(results, name)}
        if PT not in by_solver:
            continue
        ours = by_solver.pop(PT)
        for theirs in by_solver.values():
            flips = ""
            if ours.flips_per_second and theirs.flips_per_second:
                flips = f"{ours.flips_per_second / theirs.flips_per_second:.2g}"
            nearer = times_closer(ours.gap, theirs.gap)
            sooner = times_quicker(ours.time, theirs.time, results.seconds)
            found.append(line((name, theirs.solver, nearer, sooner, flips)))
    return found


def page(results: SolverResults, about_the_bench: str) -> str:
    """The page of a folder of results.

    Args:
        results: at least one instance.
        about_the_bench: what it is and how it is run, in Markdown.
    """
    seeds = sorted({run.seed for run in results.runs})
    parts = [
        "# Results of bench.solvers",
        about_the_bench.strip(),
        f"{results.seconds:g} CPU seconds a run, seeds {', '.join(map(str, seeds))}; "
        f"{', '.join(f'{name} {value}' for name, value in results.setting.items())}.",
        f"![Gap over CPU seconds]({PICTURE}.png)",
        f"Median gap over the seeds, in % of the best value; {FLOOR:g} stands for none.",
        "## Instances",
        "\n".join(
            [header(("instance", "what", "variables", "interactions", "best value", "which is"))]
            + [_instance(results, about) for about in results.instances.values()]
        ),
        "## Solvers",
        "\n".join(f"- {name}: {settings}." for name, settings in results.solvers.items())
        + "".join(f"\n- {name}: left out; {why}." for name, why in results.missing.items()),
        "## Figures",
        "Medians over the seeds. A gap is that of the best answer within the budget. A run that did not reach the best "
        "value counts as longer than the budget.",
        "\n".join([header(HEADINGS), *(row for about in results.instances.values() for row in rows(results, about))]),
    ]
    if compared := ratios(results):
        parts += [
            "## pt against the others",
            "How many times smaller its median gap is (empty where both are at the best value), how many times sooner "
            "it has the best value by median times (empty where neither has), and how many times as many flips it "
            "attempts in a second of sweeping; what `pt` spends on tabu search is not counted, nor are its flips.",
            "\n".join([header(_RATIOS), *compared]),
        ]
    return "\n\n".join(parts) + "\n"


def _instance(results: SolverResults, about: InstanceSummary) -> str:
    best = best_of(results, about.name)
    value = f"{best.value:,g}" if abs(best.value) < 1e6 else f"{best.value:,.0f}"
    return line((about.name, about.family, f"{about.variables:,}", f"{about.interactions:,}", value, best.source))

"""The picture of a comparison: gap over CPU time, one small panel per instance. Needs the extra `bench`."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np

from bench.pictures import BLACK, looks, new_figure, save
from bench.solvers.figures import best_of
from bench.solvers.page import FLOOR, PICTURE
from bench.solvers.peers.pt import NAME as PT
from bench.solvers.run import InstanceSummary, SolverResults

_COLUMNS = 4
_POINTS = 200


def draw(results: SolverResults, folder: Path) -> None:
    """Median gap of all seeds over CPU seconds, as gaps.png and gaps.svg.

    Args:
        results: at least one instance.
        folder: made if need be.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: the pictures cannot be written.
    """
    count = len(results.instances)
    lines = -(-count // _COLUMNS)
    figure = new_figure(3.4 * min(count, _COLUMNS) + 2.2, 2.7 * lines + 0.5)
    grid = figure.subplots(lines, min(count, _COLUMNS), squeeze=False, sharex=True)
    entries: dict[str, Any] = {}
    of_solver = {PT: (BLACK, "-")} | looks(name for name in results.solvers if name != PT)
    for axes, about in zip(grid.flat[:count], results.instances.values(), strict=True):
        _panel(axes, results, about, of_solver, entries)
    for axes in grid.flat[count:]:
        axes.set_axis_off()
    # Shared axes are labelled in the last line alone, which may be short.
    for axes in grid.flat[max(0, count - _COLUMNS) : count]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel("CPU seconds", fontsize="medium")
    figure.supylabel("median gap, %", fontsize="medium")
    figure.legend(entries.values(), entries.keys(), loc="outside right upper")
    save(figure, folder, PICTURE)


def _panel(
    axes: Any,
    results: SolverResults,
    about: InstanceSummary,
    of_solver: dict[str, tuple[str, str]],
    entries: dict[str, Any],
) -> None:
    best = best_of(results, about.name).value
    axes.set_title(f"{about.name} ({about.variables:,} variables)", fontsize="medium")
    axes.set_xscale("log")
    axes.set_yscale("log")
    moments = np.geomspace(results.seconds / 1000, results.seconds, _POINTS)
    for solver in results.solvers:
        own = [run for run in results.runs if (run.instance, run.solver) == (about.name, solver)]
        if not own:
            continue
        medians = [statistics.median(run.gap(moment, about, best) for run in own) for moment in moments]
        # Nothing is drawn until more than half of the runs have an answer.
        heights = [max(FLOOR, each) if np.isfinite(each) else np.nan for each in medians]
        colour, style = of_solver[solver]
        (entries[solver],) = axes.plot(
            moments, heights, style, color=colour, linewidth=2.2 if solver == PT else 1.3, drawstyle="steps-post"
        )
    axes.set_ylim(bottom=FLOOR / 2)
    axes.grid(visible=True, color="#eeeeee")

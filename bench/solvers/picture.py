"""The picture of a comparison: gap over CPU time, one small panel per instance. Needs the extra `bench`."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np

from bench.compression.pictures import new_figure, save
from bench.solvers.clock import best_at
from bench.solvers.figures import reference
from bench.solvers.instance import gap
from bench.solvers.page import FLOOR, PICTURE
from bench.solvers.peers.pt import NAME as PT
from bench.solvers.run import InstanceSummary, SolverResults

# Okabe and Ito 2008: told apart by colour-blind readers, and black for ours.
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#999999", "#F0E442")
_STYLES = ("-", "--", ":")
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
    others = [name for name in results.solvers if name != PT]
    looks = {PT: ("black", "-")} | {
        name: (_COLOURS[place % len(_COLOURS)], _STYLES[place // len(_COLOURS) % len(_STYLES)])
        for place, name in enumerate(others)
    }
    for axes, about in zip(grid.flat[:count], results.instances.values(), strict=True):
        _panel(axes, results, about, looks, entries)
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
    looks: dict[str, tuple[str, str]],
    entries: dict[str, Any],
) -> None:
    runs = [run for run in results.runs if run.instance == about.name]
    best = reference(about, runs, results.seconds)
    axes.set_title(f"{about.name} ({about.variables:,} variables)", fontsize="medium")
    axes.set_xscale("log")
    axes.set_yscale("log")
    moments = np.geomspace(results.seconds / 1000, results.seconds, _POINTS)
    for solver in results.solvers:
        own = [run for run in runs if run.solver == solver]
        if not own:
            continue
        medians = [
            statistics.median(
                float("inf") if (value := best_at(run.trace, moment)) is None else gap(value, best.value, about.sense)
                for run in own
            )
            for moment in moments
        ]
        # Nothing is drawn until more than half of the runs have an answer.
        heights = [max(FLOOR, each) if np.isfinite(each) else np.nan for each in medians]
        colour, style = looks[solver]
        (entries[solver],) = axes.plot(
            moments, heights, style, color=colour, linewidth=2.2 if solver == PT else 1.3, drawstyle="steps-post"
        )
    axes.set_ylim(bottom=FLOOR / 2)
    axes.grid(visible=True, color="#eeeeee")

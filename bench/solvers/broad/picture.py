"""The picture of the broad comparison: mean gap over CPU time, a panel per family. Needs the extra `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.pictures import BLACK, looks, new_figure, save
from bench.solvers.broad.figures import SHIFT, gaps, scores, shifted_mean
from bench.solvers.broad.page import PICTURE, table_names
from bench.solvers.broad.results import BroadResults
from bench.solvers.peers.pt import NAME as PT

_COLUMNS = 4
_POINTS = 40


def draw(results: BroadResults, folder: Path) -> None:
    """Shifted geometric mean of the gaps of the table's instances over CPU seconds, as families.png and .svg.

    Args:
        results: at least one run of an instance of the table.
        folder: made if need be.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: the pictures cannot be written.
    """
    counted = table_names(results)
    members: dict[str, list[str]] = {}
    for name in counted:
        members.setdefault(results.instances[name].about.family, []).append(name)
    moments = np.geomspace(results.seconds / 300, results.seconds, _POINTS)
    # The last moment is the budget itself, whatever rounding makes of it.
    moments[-1] = results.seconds
    found = [gaps(results, float(moment), counted) for moment in moments]
    solvers = list(scores(found[-1]))
    columns, lines = min(len(members), _COLUMNS), -(-len(members) // _COLUMNS)
    figure = new_figure(3.4 * columns + 2.2, 2.7 * lines + 0.5)
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True)
    look = {PT: (BLACK, "-")} | looks(solver for solver in solvers if solver != PT)
    entries: dict[str, Any] = {}
    for axes, (family, own) in zip(grid.flat[: len(members)], members.items(), strict=True):
        axes.set_title(f"{family} ({len(own)})", fontsize="medium")
        axes.set_xscale("log")
        axes.set_yscale("log")
        for solver in solvers:
            ran = [name for name in own if solver in found[-1].get(name, ())]
            if not ran:
                continue
            means = [max(SHIFT / 10, shifted_mean([each[name][solver] for name in ran])) for each in found]
            colour, style = look[solver]
            width = 2.2 if solver == PT else 1.3
            (entries[solver],) = axes.plot(moments, means, style, color=colour, linewidth=width, drawstyle="steps-post")
        axes.set_ylim(SHIFT / 20, 200.0)
        axes.grid(visible=True, color="#eeeeee")
    for axes in grid.flat[len(members) :]:
        axes.set_axis_off()
    for axes in grid.flat[max(0, len(members) - _COLUMNS) : len(members)]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel("CPU seconds", fontsize="medium")
    figure.supylabel("mean gap, %", fontsize="medium")
    figure.legend(entries.values(), entries.keys(), loc="outside right upper")
    save(figure, folder, PICTURE)

"""Pictures of a run: how far above the best known objective, over the seconds of a run. Needs the extra `report`."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

from bench.claims.figures import excess
from bench.claims.page import picture
from bench.claims.results import CaseSummary, ClaimResults
from bench.pictures import BLACK, looks, new_figure, save

# Smaller excesses are drawn here: a logarithmic axis has no place for none.
_FLOOR = 1e-6


def draw(results: ClaimResults, folder: Path) -> None:
    """One picture for each problem: medians over the seeds, by time limit.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: a picture cannot be written.
    """
    for case in results.cases:
        _draw(results, case, folder)


def _draw(results: ClaimResults, case: CaseSummary, folder: Path) -> None:
    figure = new_figure(7.0, 3.6)
    axes = figure.subplots()
    limits = sorted({run.time_limit for run in results.runs})
    # In one order for all pictures.
    for backend, (colour, style) in looks(sorted({run.backend for run in results.runs}), BLACK).items():
        runs = results.of(case.name, backend)
        points = []
        for limit in sorted({run.time_limit for run in runs}):
            own = [run for run in runs if run.time_limit == limit]
            # A seed without a run of this length had the best objective sooner.
            missing = len({run.seed for run in runs}) - len(own)
            middle = statistics.median([excess(run.objective, case.best) for run in own] + [0.0] * missing)
            if math.isfinite(middle):
                points.append((limit, max(_FLOOR, middle)))
        if points:
            axes.plot(*zip(*points, strict=True), style, label=backend, color=colour, marker="o", markersize=3)
    axes.set_xscale("log")
    axes.set_xticks(limits, [f"{limit:g}" for limit in limits])
    axes.set_xticks([], minor=True)
    axes.set_yscale("log")
    axes.set_title(case.name, fontsize="medium")
    axes.set_xlabel("time limit, seconds")
    axes.set_ylabel(f"above the best, relative ({_FLOOR:g}: none)")
    axes.grid(visible=True, color="#eeeeee")
    if axes.lines:
        figure.legend(loc="outside right upper", fontsize="small")
    save(figure, folder, picture(case))

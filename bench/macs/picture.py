"""Accuracy over the multiply-accumulates that stay, and gaps of the backends. Needs the extra `report`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bench.macs.methods import BACKENDS, EXACT, LINEAR, OPTIMUM, PAIRS, UNIFORM
from bench.macs.results import Answer, NetworkResults
from bench.pictures import BLACK, draw_ranges, looks, new_figure, save
from bench.tables import grouped

PICTURE = "accuracy"
_WAYS = (OPTIMUM, PAIRS, LINEAR, UNIFORM)
_SOLVERS = (*BACKENDS, EXACT)
# A gap of zero has no place on a logarithmic axis; this one is below the precision of the backends.
_LEAST_GAP = 1e-4


def draw(results: NetworkResults, folder: Path) -> None:
    """Draw means over the seeds, one line per method, least and largest as bars.

    Args:
        results: of the network, at least one row.
        folder: gets the pictures.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: the pictures cannot be written.
    """
    figure = new_figure(10.0, 4.5)
    accuracy, gaps = figure.subplots(1, 2)
    panels = (
        (accuracy, _WAYS, "accuracy, %", lambda answer: 100 * answer.accuracy),
        (gaps, _SOLVERS, "gap to the optimum, %", lambda answer: 100 * max(answer.gap, _LEAST_GAP)),
    )
    for axes, methods, heading, value in panels:
        axes.set_xlabel("multiply-accumulates of the whole network, %")
        axes.set_ylabel(heading)
        for method, look in looks(methods, BLACK).items():
            if points := _points(results, method, value):
                draw_ranges(axes, method, look, points)
        axes.legend(fontsize="small")
    gaps.set_yscale("log")
    save(figure, folder, PICTURE)


def _points(results: NetworkResults, method: str, value: Callable[[Answer], float]) -> Mapping[float, list[float]]:
    """Return the values of a method at every budget at which it has answers."""
    own = [row for row in results.rows if row.method == method and row.answer is not None]
    return {
        percent: [value(row.answer) for row in same if row.answer is not None]
        for (percent,), same in grouped(own, "percent").items()
    }

"""Accuracy over the multiply-accumulates that stay. Needs the extra `report`."""

from __future__ import annotations

from pathlib import Path

from bench.pictures import BLACK, draw_ranges, looks, new_figure, save
from bench.removal.methods import METHODS
from bench.removal.page import PICTURE
from bench.removal.results import RemovalResults
from bench.tables import grouped


def draw(results: RemovalResults, folder: Path) -> None:
    """Means over the seeds, one line per method, least and largest as bars.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: the pictures cannot be written.
    """
    figure = new_figure(8.0, 4.5)
    axes = figure.add_subplot()
    axes.set_xlabel("multiply-accumulates of the whole network, %")
    axes.set_ylabel("accuracy, %")
    for method, look in looks(METHODS, BLACK).items():
        own = [row for row in results.rows if row.method == method]
        points = {percent: [100 * row.accuracy for row in same] for (percent,), same in grouped(own, "percent").items()}
        if points:
            draw_ranges(axes, method, look, points)
    figure.legend(loc="outside right upper", fontsize="small")
    save(figure, folder, PICTURE)

"""Accuracy over the multiply-accumulates that stay. Needs the extra `report`."""

from __future__ import annotations

from pathlib import Path

from bench.pictures import BLACK, looks, new_figure, save
from bench.removal.methods import METHODS
from bench.removal.page import PICTURE, mean
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
    for method, (colour, style) in looks(METHODS, BLACK).items():
        own = [row for row in results.rows if row.method == method]
        points = [same for _, same in sorted(grouped(own, "percent").items())]
        if points:
            middle = [mean(same) for same in points]
            below = [each - 100 * min(row.accuracy for row in same) for each, same in zip(middle, points, strict=True)]
            above = [100 * max(row.accuracy for row in same) - each for each, same in zip(middle, points, strict=True)]
            axes.errorbar(
                [same[0].percent for same in points],
                middle,
                (below, above),
                color=colour,
                linestyle=style,
                marker="o",
                markersize=3,
                capsize=2,
                label=method,
            )
    figure.legend(loc="outside right upper", fontsize="small")
    save(figure, folder, PICTURE)

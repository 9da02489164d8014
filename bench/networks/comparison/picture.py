"""Divergence over bits, one panel per network. Needs the extra `report`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from bench.networks.comparison.methods import METHODS
from bench.networks.comparison.page import PICTURE, mean
from bench.networks.comparison.results import NetworkResults
from bench.pictures import BLACK, looks, new_figure, save
from bench.tables import grouped

_COLUMNS = 4


def draw(results: NetworkResults, folder: Path) -> None:
    """Means over the seeds on a logarithmic axis, one line per method, least and largest as bars.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: the pictures cannot be written.
    """
    names = [name for name in results.networks if any(row.network == name for row in results.rows)]
    widths = sorted({row.bits for row in results.rows})
    height = math.ceil(len(names) / _COLUMNS)
    figure = new_figure(3.4 * min(_COLUMNS, len(names)) + 1.6, 3.0 * height)
    entries: dict[str, Any] = {}
    for place, name in enumerate(names, 1):
        axes = figure.add_subplot(height, min(_COLUMNS, len(names)), place, title=name, yscale="log")
        axes.set_xlabel("bits per weight")
        axes.set_ylabel("divergence")
        axes.set_xticks(widths)
        axes.set_xlim(widths[0] - 0.2, widths[-1] + 0.2)
        for method, (colour, style) in looks(METHODS, BLACK).items():
            own = [row for row in results.rows if (row.network, row.method) == (name, method)]
            points = sorted(grouped(own, "bits").items())
            if points:
                bits = [same[0].bits for _, same in points]
                middle = [mean(same) for _, same in points]
                ends = [
                    (min(row.divergence for row in same), max(row.divergence for row in same)) for _, same in points
                ]
                below = [each - low for each, (low, _) in zip(middle, ends, strict=True)]
                above = [high - each for each, (_, high) in zip(middle, ends, strict=True)]
                entries[method] = axes.errorbar(
                    bits, middle, (below, above), color=colour, linestyle=style, marker="o", markersize=3, capsize=2
                )
    figure.legend(entries.values(), entries.keys(), loc="outside right upper", fontsize="small")
    save(figure, folder, PICTURE)

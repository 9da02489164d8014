"""Pictures of the benchmark's figures. Needs the extra `report`."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.compression.comparison.rows import MethodRow
from bench.pictures import new_figure, save
from bench.tables import grouped
from qubo_dnn.support.extras import require

# Points below the reference that are shown; what falls further leaves the picture, or all others would be one line.
_DEPTH = 12.0


def accuracies(rows: Sequence[MethodRow], reference: float, folder: Path) -> None:
    """Test accuracy over the stored bits, one panel per situation, one line per method, ranges over seeds as bars.

    Args:
        rows: at least one.
        reference: accuracy of the network as it was, 0 to 1.
        folder: for accuracy.png and accuracy.svg; made if need be.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: the pictures cannot be written.
    """
    situations = list(dict.fromkeys(row.situation for row in rows))
    figure = new_figure(5.0 * len(situations) + 1.5, 4.5)
    # Twice as many colours as usual: there are more methods than ten.
    colours = require("matplotlib", "report").colormaps["tab20"].colors
    of_method = dict(zip(dict.fromkeys(row.method for row in rows), cycle(colours)))
    entries: dict[str, Any] = {}
    for place, situation in enumerate(situations, 1):
        axes = figure.add_subplot(1, len(situations), place, title=situation, xlabel="stored bits per weight")
        axes.set_ylabel("test accuracy, %")
        entries["reference"] = axes.axhline(100 * reference, color="grey", linestyle=":")
        for method, colour in of_method.items():
            points = _points([row for row in rows if (row.situation, row.method) == (situation, method)])
            if points:
                bits, means, below, above = zip(*points, strict=True)
                entries[method] = axes.errorbar(
                    bits, means, yerr=(below, above), color=colour, marker="o", markersize=3, capsize=2
                )
        if axes.get_ylim()[0] < 100 * reference - _DEPTH:
            axes.set_ylim(bottom=100 * reference - _DEPTH)
    figure.legend(entries.values(), entries.keys(), loc="outside right upper", fontsize="small")
    save(figure, folder, "accuracy")


def _points(rows: Sequence[MethodRow]) -> list[tuple[float, float, float, float]]:
    """For every budget: mean stored bits, mean accuracy in percent, how far its least and its largest lie off."""
    points = []
    for _, same in sorted(grouped(rows, "budget").items()):
        values = [100 * row.accuracy for row in same]
        mean = statistics.fmean(values)
        bits = statistics.fmean(row.stored_bits for row in same)
        points.append((bits, mean, mean - min(values), max(values) - mean))
    return points


def scatter(
    true: Sequence[float], predicted: Mapping[str, Sequence[float]], titles: Mapping[str, str], folder: Path, name: str
) -> None:
    """Predicted against true loss increase on logarithmic axes, one panel per model of the loss.

    Args:
        true: of every plan, in nats.
        predicted: model -> its prediction for every plan, in nats.
        titles: model -> what stands above its panel.
        folder: made if need be.
        name: of the files, without their endings.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: the pictures cannot be written.
    """
    figure = new_figure(4.5 * len(predicted), 4.5)
    for place, (model, values) in enumerate(predicted.items(), 1):
        axes = figure.add_subplot(1, len(predicted), place, xscale="log", yscale="log", title=titles[model])
        axes.set_xlabel("held-out divergence, nats")
        axes.set_ylabel("predicted loss increase, nats")
        axes.plot(true, values, "o", markersize=3)
        ends = (min(true), max(true))
        axes.plot(ends, ends, color="grey", linestyle=":")
    save(figure, folder, name)

"""Divergences beside those of the separable objective, one panel per setting. Needs the extra `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.objectives.page import PICTURE, compared_settings, ratios
from bench.objectives.results import ObjectiveResults
from bench.objectives.settings import CHOSEN, PAIRS, SEPARABLE
from bench.pictures import looks, new_figure, save

_COLUMNS = 3
# Of the two objectives beside each other in the line of a network.
_OFFSETS = {PAIRS: 0.15, CHOSEN: -0.15}


def draw(results: ObjectiveResults, folder: Path) -> None:
    """Geometric means over the seeds on a logarithmic axis, with confidence intervals; a hollow mark is of one seed.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: the pictures cannot be written.
    """
    settings, names = compared_settings(results), list(results.networks)
    height = -(-len(settings) // _COLUMNS)
    figure = new_figure(3.2 * _COLUMNS + 1.8, (0.32 * len(names) + 1.0) * height)
    panels = figure.subplots(height, _COLUMNS, sharey=True, squeeze=False)
    entries: dict[str, Any] = {}
    for axes, setting in zip(panels.flat, settings, strict=False):
        axes.set_title(setting, fontsize="medium")
        axes.set_xscale("log")
        axes.axvline(1.0, color="#999999", linewidth=0.8)
        for objective, (colour, _) in looks(_OFFSETS).items():
            for (name, place), each in ratios(results, objective, SEPARABLE).items():
                if place == setting:
                    single = each.seeds == 1 and each.low != each.high
                    reach = ([0.0], [0.0]) if single else ([each.mean - each.low], [each.high - each.mean])
                    entries[objective] = axes.errorbar(
                        *([each.mean], [names.index(name) + _OFFSETS[objective]]),
                        xerr=reach,
                        color=colour,
                        marker="o",
                        markersize=4,
                        markerfacecolor="none" if single else colour,
                        capsize=2,
                    )
        axes.set_xlim(0.3, 3.0)
        axes.set_xticks([0.3, 0.5, 1.0, 2.0, 3.0], ["0.3", "0.5", "1", "2", "3"])
        axes.minorticks_off()
    for axes in panels.flat[len(settings) :]:
        axes.set_axis_off()
    panels[0, 0].set_yticks(range(len(names)), names)
    panels[0, 0].set_ylim(len(names) - 0.5, -0.5)
    figure.supxlabel(f"divergence / divergence of {SEPARABLE}", fontsize="medium")
    figure.legend(entries.values(), entries.keys(), loc="outside right upper", fontsize="small")
    save(figure, folder, PICTURE)

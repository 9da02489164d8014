"""What the benchmarks' pictures share: empty figures, colours, and files as .png and .svg. Needs the extra `report`."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qubo_dnn.errors import OutputError
from qubo_dnn.pictures.image import ENDINGS, save_figure
from qubo_dnn.support.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLACK = "#000000"
# Okabe and Ito 2008: told apart by colour-blind readers.
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#999999", "#F0E442")
_STYLES = ("-", "--", ":")


def looks(names: Iterable[str], *first: str) -> dict[str, tuple[str, str]]:
    """Colour and line style of every name; where the colours are used up, they come again with another style.

    Args:
        names: in the order of the picture.
        first: colours to begin with.
    """
    styles = cycle((colour, style) for style, colour in product(_STYLES, (*first, *_COLOURS)))
    return dict(zip(names, styles))  # noqa: B905 (the styles never end)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    # Not through pyplot, which would look for a display.
    module: Any = require("matplotlib.figure", "report")
    figure: Figure = module.Figure(figsize=(width, height), layout="constrained")
    return figure


def draw_ranges(axes: Axes, label: str, look: tuple[str, str], points: Mapping[float, Sequence[float]]) -> None:
    """Draw a line through means, with bars from the least to the largest value.

    Args:
        axes: gets it.
        label: of the line.
        look: its colour and style.
        points: place on the first axis -> values on the second one, at least one.
    """
    places = sorted(points)
    means = [statistics.fmean(points[place]) for place in places]
    below = [mean - min(points[place]) for mean, place in zip(means, places, strict=True)]
    above = [max(points[place]) - mean for mean, place in zip(means, places, strict=True)]
    colour, style = look
    axes.errorbar(
        places,
        means,
        (below, above),
        color=colour,
        linestyle=style,
        marker="o",
        markersize=3,
        capsize=2,
        label=label,
    )


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as .png and .svg into a folder, which is made if need be.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise OutputError(f"{folder}: pictures cannot be written ({cause})") from cause
    for ending in ENDINGS:
        save_figure(figure, folder / f"{name}{ending}")

"""Pictures as PNG and SVG files, drawn with matplotlib."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qubo_dnn.errors import OptionError
from qubo_dnn.files.common.output import write_atomically
from qubo_dnn.pictures.picture import Picture, Series
from qubo_dnn.support.extras import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg")


def check_image(path: Path) -> None:
    """Check the name of an image file before the computation of its content.

    Raises:
        OptionError: the name ends neither in .png nor in .svg.
        MissingExtraError: the extra `report` is not installed.

    Example:
        >>> check_image(Path("energy.jpg"))
        Traceback (most recent call last):
        qubo_dnn.errors.OptionError: a picture ends in .png or .svg, not '.jpg'
    """
    if path.suffix not in ENDINGS:
        raise OptionError(f"a picture ends in {' or '.join(ENDINGS)}, not {path.suffix!r}")
    require("matplotlib", "report")


def write_image(path: Path, picture: Picture) -> None:
    """Draw a picture and write it to a file.

    Raises:
        OptionError: see `check_image`.
        MissingExtraError: the extra `report` is not installed.
        OutputError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> picture = Picture("energy", "Energy", "sweep", "energy", [Series("", [1, 2], [4.0, 2.5])])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_image(Path(folder, "energy.svg"), picture)
    """
    check_image(path)
    from matplotlib.figure import Figure

    on_axes = bool(picture.x or picture.y)
    drawn = Figure(figsize=(7.0, 4.2) if on_axes else (9.0, 9.0), layout="constrained")
    axes = drawn.subplots()
    for series in picture.series:
        _draw(axes, series, sum(each.kind == "bars" for each in picture.series))
    axes.set_title(picture.title)
    if on_axes:
        axes.set_xlabel(picture.x)
        axes.set_ylabel(picture.y)
        if picture.log_x:
            axes.set_xscale("log")
        if picture.log_y:
            axes.set_yscale("log")
    else:
        axes.set_axis_off()
        axes.set_aspect("equal")
    if len(picture.series) > 1 and any(each.name for each in picture.series):
        axes.legend()
    save_figure(drawn, path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a matplotlib figure in the format of the file extension, .png or .svg; equal figures give equal bytes.

    Raises:
        OutputError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from matplotlib.figure import Figure
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_figure(Figure(figsize=(1.0, 1.0)), Path(folder, "empty.svg"))
        ...     print(Path(folder, "empty.svg").read_text()[:5])
        <?xml
    """
    import matplotlib

    stream, ending = io.BytesIO(), path.suffix[1:]
    # By default, an SVG file contains random ids and the time.
    with matplotlib.rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(stream, format=ending, dpi=150, metadata={"Date": None} if ending == "svg" else None)
    write_atomically(path, stream.getvalue())


def _draw(axes: Any, series: Series, bars: int) -> None:
    x = [float("nan") if value is None else value for value in series.x]
    y = [float("nan") if value is None else value for value in series.y]
    label = series.name or None
    behind = {"color": "#cccccc", "zorder": 0} if series.faint else {}
    if series.kind == "bars":
        axes.bar(x, y, label=label, alpha=1.0 if bars == 1 else 0.6, width=0.8)
    elif series.ring:
        axes.scatter(x, y, s=160, label=label, facecolors="none", edgecolors="#d62728", linewidths=2, zorder=3)
    elif series.kind == "points":
        colored = {"c": series.colors, "cmap": "turbo"} if series.colors is not None else behind
        axes.scatter(x, y, s=2 if series.faint else 14, label=label, **colored)
    else:
        axes.plot(
            *(x, y),
            label=label,
            marker=None if series.faint else "o",
            linewidth=0.6 if series.faint else 1.5,
            drawstyle="steps-post" if series.kind == "steps" else "default",
            **behind,
        )

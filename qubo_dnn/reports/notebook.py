"""Results in a notebook: a table with a small picture, without any script, and figures of plotly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from qubo_dnn.reports.page import Chart
from qubo_dnn.reports.text import shown, visible
from qubo_dnn.support.extras import require

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Of a small picture, in pixels.
_WIDTH, _HEIGHT, _ROW, _LABEL = 420, 90, 12, 130
_MOST_ROWS, _MOST_LETTERS = 40, 22


def figure(chart: Chart) -> Figure:
    """Return a chart as a figure of plotly.

    Raises:
        MissingExtraError: plotly is not installed.

    Example:
        >>> from qubo_dnn.reports.charts import bars
        >>> figure(bars("bytes", "Bytes", "bytes", ["conv1"], {"file": [120]})).data[0].x
        (120,)
    """
    graphs = require("plotly.graph_objects", "report")
    drawn: Figure = graphs.Figure(data=chart.figure["data"], layout=chart.figure["layout"])
    drawn.update_layout(title=escape(visible(chart.title)), height=chart.height + 80)
    drawn.update_yaxes(automargin=True)
    return drawn


def cell(rows: Iterable[tuple[str, Any]], picture: str = "") -> str:
    """Return a table of names and values, above a picture, as HTML.

    Args:
        rows: names and values; see `qubo_dnn.reports.text.shown` for how values are written.
        picture: of `small_columns` or `small_rows`.

    Example:
        >>> cell([("layers", 3), ("<b>", "[red]")])
        '<table><tr><th>layers</th><td>3</td></tr><tr><th>&lt;b&gt;</th><td>[red]</td></tr></table>'
    """
    texts = ((visible(name), shown(value, 120)) for name, value in rows)
    table = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in texts)
    return f"<table>{table}</table>{picture}"


def small_columns(title: str, heights: Sequence[float]) -> str:
    """Return columns of a histogram as an inline picture.

    Example:
        >>> small_columns("Energies", [1, 3]).count("<rect")
        2
    """
    most, width = max(heights, default=0.0) or 1.0, _WIDTH / max(len(heights), 1)
    parts = []
    for place, height in enumerate(heights):
        size = _HEIGHT * height / most
        parts.append(_rectangle(place * width, _HEIGHT - size, max(width - 1, 1), size, "#1f6fb4"))
    return _picture(title, _HEIGHT, parts)


def small_rows(title: str, rows: Sequence[tuple[str, Sequence[tuple[float, str]]]]) -> str:
    """Return stacked bars as an inline picture, at most 40 of them.

    Args:
        title: what the bars are.
        rows: label of every bar, and share (the whole is 1) and colour of its parts.

    Example:
        >>> small_rows("Widths", [("conv1", [(0.25, "#3e4a89"), (0.75, "#26828e")])]).count("<rect")
        2
    """
    parts = []
    for place, (label, shares) in enumerate(rows[:_MOST_ROWS]):
        text = visible(label)
        short = text if len(text) <= _MOST_LETTERS else f"…{text[1 - _MOST_LETTERS :]}"
        y, x = place * _ROW, float(_LABEL)
        parts.append(f'<text x="0" y="{y + 9}" font-size="9" fill="currentColor">{escape(short)}</text>')
        for share, color in shares:
            width = share * (_WIDTH - _LABEL)
            parts.append(_rectangle(x, y + 1, width, _ROW - 2, color))
            x += width
    if len(rows) > _MOST_ROWS:
        title += f", the first {_MOST_ROWS} of {len(rows)}"
    return _picture(title, _ROW * min(len(rows), _MOST_ROWS), parts)


def _rectangle(x: float, y: float, width: float, height: float, color: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{escape(color)}"/>'


def _picture(title: str, height: int, parts: Iterable[str]) -> str:
    name = escape(visible(title))
    return (
        f"<div>{name}</div>"
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{name}" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}">{"".join(parts)}</svg>'
    )

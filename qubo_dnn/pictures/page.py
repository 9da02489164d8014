"""A self-contained HTML page with tables and pictures, drawn with plotly, whose code the page contains."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from qubo_dnn.files.common.output import write_atomically
from qubo_dnn.pictures.picture import Picture, Series
from qubo_dnn.support.extras import require

Table = tuple[str, Sequence[tuple[str, str]]]
_STYLE = (
    "body{font-family:system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:0 0 1.5rem}td{padding:.2rem 1rem .2rem 0;vertical-align:top}"
    "td:first-child{color:#666}h2{margin-top:2rem}p.verdict{font-size:1.2rem}p.note{color:#444;margin-top:0}"
)


def write_page(path: Path, title: str, verdict: str, tables: Iterable[Table], pictures: Iterable[Picture]) -> None:
    """Write an HTML page that needs no network.

    Args:
        path: path of the file.
        title: title of the page.
        verdict: the most important sentence, below the title.
        tables: title of each table, and its rows of name and value.
        pictures: pictures, in this order.

    Raises:
        MissingExtraError: the extra `report` is not installed.
        OutputError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_page(Path(folder, "run.html"), "Run", "It is optimal.", [("Answer", [("energy", "-3")])], [])
        ...     print(Path(folder, "run.html").read_text()[:15])
        <!doctype html>
    """
    plotly_io = require("plotly.io", "report")
    plotly_offline = require("plotly.offline", "report")
    parts = [f"<h1>{_text(title)}</h1>", f'<p class="verdict">{_text(verdict)}</p>']
    for heading, rows in tables:
        cells = "".join(f"<tr><td>{_text(name)}</td><td>{_text(value)}</td></tr>" for name, value in rows)
        parts.append(f"<h2>{_text(heading)}</h2><table>{cells}</table>")
    for picture in pictures:
        drawn = plotly_io.to_html(figure(picture), include_plotlyjs=False, full_html=False, div_id=picture.name)
        parts.append(f'<h2>{_text(picture.title)}</h2>{drawn}<p class="note">{_text(picture.note)}</p>')
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        f"<style>{_STYLE}</style><script>{plotly_offline.get_plotlyjs()}</script></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )
    write_atomically(path, text.encode())


def figure(picture: Picture) -> Any:
    """Convert a picture to a plotly figure.

    Example:
        >>> drawn = figure(Picture("energy", "Energy", "sweep", "energy", [Series("", [1, 2], [4.0, 2.5])]))
        >>> drawn.layout.xaxis.title.text
        'sweep'
    """
    graphs = require("plotly.graph_objects", "report")
    axes = bool(picture.x or picture.y)
    drawn = graphs.Figure([_trace(graphs, each) for each in picture.series])
    drawn.update_layout(
        template="plotly_white",
        height=420 if axes else 900,
        margin={"t": 20, "l": 60, "r": 20, "b": 50},
        showlegend=any(each.name for each in picture.series) and len(picture.series) > 1,
        bargap=0.1,
    )
    drawn.update_xaxes(title_text=picture.x, visible=axes, type="log" if picture.log_x else None)
    scale = "log" if picture.log_y else None
    drawn.update_yaxes(title_text=picture.y, visible=axes, scaleanchor=None if axes else "x", type=scale)
    return drawn


def _trace(graphs: Any, series: Series) -> Any:
    common = {"x": list(series.x), "y": list(series.y), "name": series.name, "showlegend": bool(series.name)}
    if series.texts is not None:
        common |= {"text": list(series.texts), "hoverinfo": "text", "textposition": "none"}
    if series.kind == "bars":
        return graphs.Bar(**common)
    common.pop("textposition", None)
    marker: dict[str, Any] = {"size": 3 if series.faint else 7}
    if series.colors is not None:
        marker |= {"color": list(series.colors), "colorscale": "Turbo"}
    elif series.faint:
        marker["color"] = "#ddd"
    elif series.ring:
        marker = {"size": 16, "symbol": "circle-open", "color": "#d62728", "line": {"width": 2}}
    line = {"color": "#bbb", "width": 1} if series.faint else {}
    mode = "markers" if series.kind == "points" else "lines" if series.faint else "lines+markers"
    return graphs.Scatter(**common, mode=mode, marker=marker, line=line, connectgaps=False)


def _text(text: str) -> str:
    return html.escape(text)

"""Charts of plotly as plain data, so that pages need neither its Python classes nor their time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from qubo_dnn.pictures.picture import Picture, Series
from qubo_dnn.reports.page import Chart, Table
from qubo_dnn.reports.text import label

# Of the table below a chart; a picture of a chip has thousands of marks.
_ROWS = 400
_AXES, _PLAIN = 380, 720
# A bar and the space around it, and what is above and below all bars.
_BAR, _FRAME = 22, 110
_WIDEST_LABEL = 26

Matrix = Sequence[Sequence[float | None]]


def chart(picture: Picture) -> Chart:
    """Return the chart of a picture.

    Example:
        >>> drawn = chart(Picture("energy", "Energy", "sweep", "energy", [Series("", [1, 2], [4.0, 2.5])]))
        >>> drawn.figure["layout"]["xaxis"]["title"]["text"]
        'sweep'
    """
    axes = bool(picture.x or picture.y)
    named = sum(bool(each.name) for each in picture.series) > 1
    layout: dict[str, Any] = {
        "showlegend": named,
        "hovermode": "closest",
        "xaxis": {"title": {"text": label(picture.x)}, "visible": axes},
        "yaxis": {"title": {"text": label(picture.y)}, "visible": axes},
    }
    for axis, logarithmic in (("xaxis", picture.log_x), ("yaxis", picture.log_y)):
        if logarithmic:
            layout[axis] |= {"type": "log", "tickformat": ",.3~r", "nticks": 6}
    if not axes:
        layout["yaxis"]["scaleanchor"] = "x"
    figure = {"data": [_trace(each) for each in picture.series], "layout": layout}
    return Chart(picture.name, picture.title, figure, _AXES if axes else _PLAIN, _table(picture), picture.note)


def _trace(series: Series) -> dict[str, Any]:
    trace: dict[str, Any] = {"x": list(series.x), "y": list(series.y), "name": label(series.name)}
    trace |= {"type": "bar" if series.kind == "bars" else "scatter", "showlegend": bool(series.name)}
    if series.texts is not None:
        trace |= {"hovertext": [label(text) for text in series.texts], "hoverinfo": "text"}
    if series.kind == "bars":
        return trace
    if series.kind == "steps":
        trace["line"] = {"shape": "hv"}
    trace["mode"] = "markers" if series.kind == "points" else "lines" if series.faint else "lines+markers"
    trace["marker"] = {"size": 3 if series.faint else 7}
    if series.colors is not None:
        trace["marker"] |= {"color": list(series.colors), "colorscale": "Portland"}
    if series.faint:
        trace["marker"]["color"] = "rgba(128,128,128,0.5)"
        trace |= {"line": {"color": "rgba(128,128,128,0.7)", "width": 1}, "hoverinfo": "skip"}
    return trace


def _table(picture: Picture) -> Table:
    """Return the marks of all series that are not faint, with the names of several series and what marks say."""
    drawn = [series for series in picture.series if not series.faint]
    several, texts = len(drawn) > 1, any(series.texts is not None for series in drawn)
    rows: list[tuple[Any, ...]] = []
    for series in drawn:
        said = series.texts or [""] * len(series.x)
        for x, y, text in zip(series.x, series.y, said, strict=True):
            if x is not None and y is not None:
                rows.append(((series.name or picture.title,) if several else ()) + (x, y) + ((text,) if texts else ()))
    columns = (*(["series"] if several else []), picture.x or "x", picture.y or "y", *(["mark"] if texts else []))
    return limited(picture.title, rows, columns)


def limited(caption: str, rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> Table:
    """Return a table with the first rows, and how many there are.

    Example:
        >>> limited("Squares", [(n, n * n) for n in range(1000)], ("n", "n^2")).note
        'The first 400 of 1,000 rows.'
    """
    note = f"The first {_ROWS:,} of {len(rows):,} rows." if len(rows) > _ROWS else ""
    return Table(caption, rows[:_ROWS], columns, note=note)


def bars(
    name: str,
    title: str,
    x: str,
    rows: Sequence[str],
    values: Mapping[str, Sequence[float | None]],
    *,
    stacked: bool = False,
    colors: Mapping[str, str] | None = None,
    hovers: Sequence[Sequence[str]] | None = None,
    note: str = "",
) -> Chart:
    """Return horizontal bars, the first row on top.

    Args:
        name: see `Chart`.
        title: see `Chart`.
        x: label of the values' axis, with the unit.
        rows: label of every row; they may be equal.
        values: name of a kind of bar -> its length in every row.
        stacked: bars of a row follow one another; otherwise they stand below one another.
        colors: name of a kind of bar -> colour.
        hovers: lines to show at the mouse pointer, for every row, below the row's label.
        note: see `Chart`.

    Example:
        >>> widths = {"2 bits": [3, 1], "4 bits": [1, 3]}
        >>> drawn = bars("widths", "Widths", "channels", ["conv1", "conv2"], widths, stacked=True)
        >>> drawn.figure["layout"]["barmode"], drawn.table.rows[1]
        ('stack', ('conv2', 1, 3))
    """
    places = list(range(len(rows)))
    kinds = len(values)
    data = []
    for kind, lengths in values.items():
        trace: dict[str, Any] = {
            "type": "bar",
            "orientation": "h",
            "name": label(kind),
            "x": list(lengths),
            "y": places,
        }
        trace["hovertext"] = [
            "<br>".join(
                [
                    f"<b>{label(row)}</b>",
                    f"{label(kind)}: {_number(length)}",
                    *(label(line, 120) for line in (hovers[place] if hovers else ())),
                ]
            )
            for place, (row, length) in enumerate(zip(rows, lengths, strict=True))
        ]
        trace |= {"hoverinfo": "text", "textposition": "none"}
        if colors is not None:
            trace["marker"] = {"color": colors[kind]}
        data.append(trace)
    layout = {
        "barmode": "stack" if stacked else "group",
        "bargap": 0.25,
        "showlegend": kinds > 1,
        "hovermode": "closest",
        "legend": {"traceorder": "normal"},
        "xaxis": {"title": {"text": label(x)}, "rangemode": "tozero"},
        "yaxis": _rows_axis(rows),
    }
    height = _FRAME + len(rows) * (_BAR if stacked or kinds == 1 else 10 + 9 * kinds)
    table = limited(
        title, [(row, *(each[n] for each in values.values())) for n, row in enumerate(rows)], ("row", *values)
    )
    return Chart(name, title, {"data": data, "layout": layout}, height, table, note)


def heatmap(
    name: str,
    title: str,
    rows: Sequence[str],
    columns: Sequence[str] | int,
    values: Matrix,
    *,
    x: str = "",
    unit: str = "",
    colors: Literal["widths", "signed"] = "widths",
    details: tuple[str, Matrix] | None = None,
    table: Table | None = None,
    note: str = "",
) -> Chart:
    """Return a matrix as coloured cells, the first row on top.

    Args:
        name: see `Chart`.
        title: see `Chart`.
        rows: label of every row.
        columns: label of every column, or how many numbers each of them stands for.
        values: values of every row; None leaves a cell free.
        x: label of the columns' axis.
        unit: label of the colours.
        colors: "widths" for bits from 0 to 8, where 0 stands out; "signed" for -1 to 1.
        details: name and values, one for every cell, of what else is shown at the mouse pointer.
        table: the same as a table; None has a column for every column.
        note: see `Chart`.

    Example:
        >>> drawn = heatmap("channels", "Channels", ["conv1", "fc"], 1, [[2, 4, 0], [8, None, None]])
        >>> drawn.figure["data"][0]["zmax"], drawn.table.rows[0]
        (8, ('conv1', 2, 4, 0))
    """
    step = columns if isinstance(columns, int) else None
    width = max(map(len, values), default=0)
    trace: dict[str, Any] = {
        "type": "heatmap",
        "z": [list(row) + [None] * (width - len(row)) for row in values],
        "x": [place * step for place in range(width)] if step else list(range(width)),
        "y": list(range(len(rows))),
        "colorscale": _WIDTH_SCALE if colors == "widths" else _SIGNED_SCALE,
        "zmin": 0 if colors == "widths" else -1,
        "zmax": 8 if colors == "widths" else 1,
        "hoverongaps": False,
        "colorbar": {"title": {"text": label(unit), "side": "right"}, "thickness": 12},
    }
    shown = f"%{{y}}<br>{label(x)} %{{x}}: %{{z:.3g}} {label(unit)}"
    if details is not None:
        trace["customdata"] = details[1]
        shown += f"<br>{label(details[0])}: %{{customdata:.3g}}"
    trace["hovertemplate"] = f"{shown}<extra></extra>"
    layout: dict[str, Any] = {"xaxis": {"title": {"text": label(x)}}, "yaxis": _rows_axis(rows)}
    if not step:
        layout["xaxis"] |= _ticks(columns) | {"tickangle": -60}  # type: ignore[arg-type]  # labels, see `step`
    if table is None:
        heads = [f"{place * step:,}" for place in range(width)] if step else columns
        table = limited(title, [(row, *each) for row, each in zip(rows, values, strict=True)], ("row", *heads))  # type: ignore[misc]
    height = _FRAME + max(120, (_BAR - 4) * len(rows)) + (0 if step else 80)
    return Chart(name, title, {"data": [trace], "layout": layout}, height, table, note)


def width_color(bits: float) -> str:
    """Return the colour of a width in bits, the same on all charts; 0 stands out, and 32 is grey.

    Example:
        >>> width_color(0), width_color(32)
        ('#c62f3d', '#8f959e')
    """
    return "#8f959e" if bits > len(_WIDTHS) - 1 else _WIDTHS[round(bits)]


# Red for what is pruned; from 1 to 8 bits from dark to light, as of the palette viridis.
_WIDTHS = ("#c62f3d", "#482878", "#3e4a89", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6dcd59", "#b4de2c")
_SIGNED_SCALE = [[0.0, "#b2182b"], [0.5, "#f7f7f7"], [1.0, "#2166ac"]]
_WIDTH_SCALE = [[0.0, _WIDTHS[0]], [1 / 16, _WIDTHS[0]], *([n / 8, _WIDTHS[n]] for n in range(1, 9))]


def _rows_axis(rows: Sequence[str]) -> dict[str, Any]:
    return {**_ticks(rows), "range": [len(rows) - 0.5, -0.5], "showgrid": False, "zeroline": False}


def _ticks(labels: Sequence[str]) -> dict[str, Any]:
    """Return ticks with labels; places are numbers, since equal labels would be one place."""
    shorter = [label(text, _WIDEST_LABEL) for text in labels]
    return {"tickmode": "array", "tickvals": list(range(len(labels))), "ticktext": shorter}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4g}"

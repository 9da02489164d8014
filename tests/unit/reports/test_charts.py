"""Charts as data."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from qubo_dnn.pictures.picture import Picture, Series
from qubo_dnn.reports.charts import bars, chart, heatmap, limited, width_color
from qubo_dnn.reports.page import Chart, Page, Section
from qubo_dnn.reports.writer import write_page
from tests.pages import NASTY, check_figures, figures


def trace(drawn: Chart, number: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = drawn.figure["data"][number]
    return found


class TestPicture:
    def test_its_marks_and_axes_are_those_of_the_chart(self) -> None:
        series = [
            Series("a", [1, 2], [3.0, 4.0], "steps"),
            Series("b", [1], [2.0], "points", colors=[0.5], texts=["<x>"]),
            Series("", [0, 1], [0.0, 1.0], faint=True),
        ]
        drawn = chart(Picture("p", "P", "x", "y", series, log_y=True))
        assert drawn.figure["layout"]["yaxis"]["type"] == "log"
        assert "type" not in drawn.figure["layout"]["xaxis"]
        assert trace(drawn)["line"] == {"shape": "hv"}
        assert trace(drawn, 1)["hovertext"] == ["&lt;x&gt;"]
        assert trace(drawn, 2)["hoverinfo"] == "skip"
        assert drawn.table.rows == [("a", 1, 3.0, ""), ("a", 2, 4.0, ""), ("b", 1, 2.0, "<x>")]

    def test_a_map_has_no_axes_and_equal_scales(self) -> None:
        layout = chart(Picture("p", "P", "", "", [Series("", [1], [2], "points")])).figure["layout"]
        assert layout["yaxis"]["scaleanchor"] == "x"
        assert not layout["xaxis"]["visible"]


def test_rows_with_equal_labels_stay_apart() -> None:
    drawn = bars("b", "B", "x", ["same", "same"], {"n": [1, 2]})
    assert trace(drawn)["y"] == [0, 1]
    assert drawn.figure["layout"]["yaxis"]["ticktext"] == ["same", "same"]
    # The first row is on top.
    assert drawn.figure["layout"]["yaxis"]["range"] == [1.5, -0.5]


def test_rows_of_a_heatmap_may_end_early() -> None:
    drawn = heatmap("h", "H", ["a", "b"], 2, [[1.0, 2.0], [3.0]], x="channel", unit="bits")
    assert trace(drawn)["z"] == [[1.0, 2.0], [3.0, None]]
    assert trace(drawn)["x"] == [0, 2]
    assert drawn.table.columns == ("row", "0", "2")


def test_every_width_has_its_own_colour() -> None:
    assert len({width_color(bits) for bits in (*range(9), 32)}) == 10


def test_long_tables_say_what_is_missing() -> None:
    table = limited("T", [(n,) for n in range(401)], ("n",))
    assert (len(table.rows), table.note) == (400, "The first 400 of 401 rows.")
    assert limited("T", [(1,)], ("n",)).note == ""


def test_plotly_takes_all_kinds_and_labels_stay_labels(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    drawn = [
        chart(Picture("a", NASTY, NASTY, NASTY, [Series(NASTY, [1, 2], [math.inf, 2.0], texts=[NASTY, ""])])),
        bars("b", NASTY, NASTY, [NASTY], {NASTY: [1]}, hovers=[[NASTY]], stacked=True, colors={NASTY: "#123456"}),
        heatmap("c", NASTY, [NASTY], [NASTY], [[0.5]], details=(NASTY, [[1.0]]), colors="signed"),
        heatmap("d", NASTY, [NASTY], 1, [[0.5]], x=NASTY, unit=NASTY),
    ]
    path = tmp_path / "p.html"
    write_page(path, Page(NASTY, NASTY, [Section("s", NASTY, drawn)]))
    assert check_figures(path) == ["a", "b", "c", "d"]
    (first, *_) = figures(path.read_text())
    # Infinity has no JSON.
    assert first["data"][0]["y"] == [None, 2.0]
    for figure in figures(path.read_text()):
        assert "<script" not in str(figure)
        assert "<b>&lt;i" not in str(figure)

"""Results in notebooks."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import qubo_dnn as qd
from qubo_dnn.errors import EmbeddingError
from qubo_dnn.reports.charts import bars
from qubo_dnn.reports.notebook import cell, figure, small_columns, small_rows
from tests.pages import NASTY, Structure, checked_page


def boxes(picture: str) -> list[dict[str, float]]:
    keys = ("x", "y", "width", "height")
    return [{key: float(each[key] or 0) for key in keys} for each in Structure(picture).named("rect")]


def test_columns_are_as_high_as_their_values_and_stand_on_the_ground() -> None:
    low, high = boxes(small_columns("c", [1, 4]))
    assert (low["height"], high["height"]) == (22.5, 90.0)
    assert low["y"] + low["height"] == high["y"] + high["height"] == 90.0
    assert low["x"] + low["width"] <= high["x"]
    assert boxes(small_columns("nothing", [0, 0]))[0]["height"] == 0.0
    assert boxes(small_columns("empty", [])) == []


def test_parts_of_a_row_follow_one_another() -> None:
    first, second, other = boxes(small_rows("r", [("a", [(0.25, "#000"), (0.75, "#111")]), ("b", [(1.0, "#222")])]))
    assert first["x"] + first["width"] == pytest.approx(second["x"], abs=0.11)
    assert second["x"] + second["width"] == other["x"] + other["width"] == 420.0
    assert other["y"] > first["y"] + first["height"]


def test_many_rows_are_cut_and_the_picture_says_so() -> None:
    picture = small_rows("r", [(str(n), [(1.0, "#000")]) for n in range(50)])
    assert len(boxes(picture)) == 40
    assert "r, the first 40 of 50" in Structure(picture).text


def test_labels_do_nothing() -> None:
    found = Structure(cell([(NASTY, NASTY)], small_rows(NASTY, [(NASTY, [(1.0, "#000")])]) + small_columns(NASTY, [1])))
    assert {tag for tag, _ in found.elements} == {"table", "tr", "th", "td", "div", "svg", "text", "rect"}
    assert not re.search("[\x1b\u202e]", found.text)


def test_a_figure_of_plotly_has_the_chart() -> None:
    pytest.importorskip("plotly")
    drawn = figure(bars("b", NASTY, "x", ["row"], {"n": [3]}))
    assert drawn.data[0].x == (3,)
    assert "<" not in drawn.layout.title.text


def test_a_solution_shows_its_samples() -> None:
    rng = np.random.default_rng(0)
    found = qd.solve(np.triu(rng.normal(size=(12, 12))), "neal", seed=1, num_reads=40, num_sweeps=2, presolve=False)
    shown = Structure(found._repr_html_())
    assert "40 samples, by energy" in shown.text
    assert len(shown.named("rect")) == len(found.plot().data[0].x) > 1
    assert sum(found.plot().data[0].y) == 40
    # All of the same energy.
    assert "<svg" not in qd.solve({("a", "a"): -1.0}, "exact")._repr_html_()


def test_a_diagnosis_shows_its_chains(tmp_path: Path) -> None:
    pytest.importorskip("dwave.graphs")
    triangle = [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
    found = qd.diagnose(triangle, "chimera:1", presolve=False, reads=0)
    assert found.embedding is not None
    shown = Structure(found._repr_html_())
    assert "verdict fits" in shown.text
    assert found.report(tmp_path / "e.html", NASTY) == tmp_path / "e.html"
    assert "fits, with the chains of a clique" in checked_page(tmp_path / "e.html").text
    assert "Chains of 1 to 2 qubits" in shown.text
    assert list(found.plot().data[0].y) == [sum(len(c) == n for c in found.embedding.chains.values()) for n in (1, 2)]
    large = qd.diagnose(np.ones((30, 30)).tolist(), "chimera:1", presolve=False, reads=0)
    assert "<svg" not in large._repr_html_()
    with pytest.raises(EmbeddingError, match="do not fit"):
        large.plot()

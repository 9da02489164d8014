"""The builder of pages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from qubo_dnn.errors import MissingExtraError, OutputError
from qubo_dnn.reports.charts import bars
from qubo_dnn.reports.page import Page, Section, Table, Text
from qubo_dnn.reports.reproduction import reproduction
from qubo_dnn.reports.writer import check_report, render, write_page
from tests.pages import NASTY, check_figures, checked_page, opened

pytest.importorskip("jinja2")
pytest.importorskip("plotly")


def nasty() -> Page:
    """A page whose every text would like to be something else."""
    tables = [
        Table(NASTY, [(NASTY, NASTY)], (NASTY, NASTY), note=NASTY),
        Table(NASTY, [(NASTY, {NASTY: [NASTY]})], folded=True),
    ]
    drawn = bars("widths", NASTY, NASTY, [NASTY], {NASTY: [1]}, hovers=[[NASTY]], note=NASTY)
    parts: list[Any] = [*tables, Text(NASTY), Text(NASTY, code=True), drawn]
    return Page(NASTY, NASTY, [Section("s", NASTY, parts)], notices=[NASTY], absent={NASTY: NASTY})


def test_labels_are_shown_and_do_nothing(tmp_path: Path) -> None:
    path, harmless = tmp_path / "nasty.html", tmp_path / "harmless.html"
    write_page(path, nasty())
    page = checked_page(path)
    text = path.read_text()
    assert "<script>alert" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    shown = "<script>alert(1)</script><b>&lt;i&gt;[red]\\x1b[31m\\u202eevil'\""
    assert page.text.count(shown) >= 15
    # Not one element more than with a plain label.
    plain = Table("t", [("a", "b")], ("c", "d"), note="n"), Table("t", [("a", "b")], folded=True)
    drawn = bars("widths", "t", "x", ["r"], {"k": [1]}, note="n")
    parts: list[Any] = [*plain, Text("t"), Text("t", code=True), drawn]
    write_page(harmless, Page("t", "v", [Section("s", "t", parts)], notices=["n"], absent={"a": "b"}))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in checked_page(harmless).elements]


def test_equal_names_of_charts_and_empty_sections(tmp_path: Path) -> None:
    one, two = (bars(name, "B", "x", ["a"], {"n": [1]}) for name in ("same name", "same name"))
    path = tmp_path / "p.html"
    write_page(path, Page("P", "v", [Section("s", "S", [one]), Section("none", "None", []), Section("t", "T", [two])]))
    page = checked_page(path)
    assert check_figures(path) == ["same-name", "same-name-2"]
    assert "None" not in page.text


def test_a_page_without_charts_has_no_code() -> None:
    text = render(Page("P", "v", [Section("s", "S", [Text("t")])]))
    assert "<script" not in text
    assert len(text) < 10_000


def test_what_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        check_report(tmp_path)
    with pytest.raises(OutputError, match="not a folder"):
        check_report(tmp_path / "no" / "p.html")
    check_report(tmp_path / "p.html")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"qubo-dnn\[report\]"):
        check_report(tmp_path / "p.html")


def test_reproduction_names_the_command_and_versions() -> None:
    made, versions = reproduction(["solve", "a b.lp"], ["plotly", "no-such-distribution"]).parts
    assert made == Text("qubo-dnn solve 'a b.lp'", code=True)
    assert isinstance(versions, Table)
    assert {"Python", "qubo-dnn", "numpy", "plotly"} <= {row[0] for row in versions.rows}
    assert "no-such-distribution" not in {row[0] for row in versions.rows}
    assert reproduction([]).parts[0] == Text("The result was made in Python; the settings and the seed are above.")


@pytest.mark.slow
def test_labels_do_nothing_in_a_browser(tmp_path: Path) -> None:
    path = tmp_path / "nasty.html"
    write_page(path, nasty())
    seen = opened(path, tmp_path)
    assert seen.count("<script") == path.read_text().count("<script")
    # The chart shows the label as it is, with the tag as text.
    chart = seen.split('<div id="widths"')[1].split("<details")[0]
    assert "&lt;script" in chart

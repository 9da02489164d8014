"""The page about a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from qubo_dnn.compression.sweep.points import SweepPoint
from qubo_dnn.compression.sweep.record import SweepRecord
from qubo_dnn.compression.sweep.report import sweep_page, write_sweep_report
from qubo_dnn.reports.page import Chart, Page, Table
from tests.pages import NASTY, check_figures, checked_page, opened

pytest.importorskip("jinja2")
pytest.importorskip("plotly")


def record(accuracies: bool = True, **changes: object) -> SweepRecord:
    """Four budgets, one of which no plan meets, and a baseline."""
    figures = [(100, 0.9, 0.5), (200, 0.2, 0.8), (300, 0.1, 0.9)]
    points = {
        number: SweepPoint(
            number=number,
            budget=f"{number}bits",
            cost=float(cost),
            divergence=divergence,
            accuracy=accuracy if accuracies else None,
            bytes=cost,
            bits_per_weight=float(number),
            macs=1000,
            seconds=1.5,
            warnings=(NASTY,),
        )
        for number, (cost, divergence, accuracy) in enumerate(figures, 2)
    }
    points[1] = SweepPoint(number=1, budget="1bits", reason="the budget 1bits cannot be met")
    uniform = SweepPoint(number=1, budget="2 bits", cost=150.0, divergence=0.6, bytes=150)
    found = SweepRecord(
        settings={"seed": "0"},
        about={"network": NASTY, "loss": "cross-entropy", "metric": None},
        unit="bytes",
        budgets=["1bits", "2bits", "3bits", "4bits"],
        points=points,
        baselines={"uniform": {1: uniform}},
        reference={"bytes": 1000, "accuracy": 0.95},
        seconds={"measure": 7.0},
    )
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def parts(page: Page, name: str) -> list[Table | Chart]:
    """What a section has."""
    (section,) = (each for each in page.sections if each.name == name)
    return [part for part in section.parts if isinstance(part, Table | Chart)]


def test_the_page_has_every_point_the_front_and_the_knee() -> None:
    page = sweep_page(record())
    assert page.verdict == "3 of 4 budgets have a plan; the knee is at 3bits"
    divergences, accuracies = parts(page, "curves")
    assert isinstance(divergences, Chart)
    assert isinstance(accuracies, Chart)
    assert [trace["name"] for trace in divergences.figure["data"]] == ["points", "knee", "uniform"]
    assert accuracies.figure["data"][0]["y"] == [50.0, 80.0, 90.0]
    points, baseline = parts(page, "points")
    assert isinstance(points, Table)
    assert isinstance(baseline, Table)
    assert points.rows[0] == ("1", "1bits", None, None, None, None, None, "no plan: the budget 1bits cannot be met")
    assert points.rows[2] == ("3", "3bits", 200, 3.0, 1000, "80.00 %", 0.2, "knee")
    assert [row[-1] for row in points.rows[1:]] == ["front", "knee", "front"]
    assert baseline.rows == [("1", "2 bits", 150, None, None, None, 0.6, "")]
    (seconds,) = parts(page, "time")
    assert isinstance(seconds, Table)
    assert list(seconds.rows) == [("measure", 7.0), *((f"point {number}", 1.5) for number in (2, 3, 4))]
    assert parts(page, "asked")[-1].rows == [("seed", "0")]  # type: ignore[union-attr]
    assert page.notices == [f"Warning: {NASTY}"]


def test_costs_of_another_unit_and_a_metric_have_columns() -> None:
    given = record(unit="% of BOPs")
    given.about["metric"] = "F1"
    points, _ = parts(sweep_page(given), "points")
    assert isinstance(points, Table)
    assert points.columns[2] == "% of BOPs"
    assert "test F1" in points.columns
    assert points.rows[1][2] == 100.0
    assert all(len(row) == len(points.columns) for row in points.rows)


def test_what_is_missing_is_said() -> None:
    untested = sweep_page(record(accuracies=False))
    assert untested.absent == {"accuracy": "there were no test images with labels"}
    assert len(parts(untested, "curves")) == 1
    begun = record(interrupted=True)
    del begun.points[4]
    assert sweep_page(begun).notices[0] == "The sweep was interrupted: 3 of 4 budgets are done."
    assert set(sweep_page(begun).absent) == {"the knee"}
    empty = sweep_page(SweepRecord(settings={}, unit="bytes", budgets=["1bits"]))
    assert empty.notices == ["The sweep is not finished: 0 of 1 budgets are done."]
    assert "curves" in empty.absent


def test_the_page_is_whole_and_harmless(tmp_path: Path) -> None:
    path = tmp_path / "sweep.html"
    write_sweep_report(
        path, record(), f"Sweep of {NASTY}", ["sweep", "zoo:mnist-cnn", "--budgets", "1bits:4bits:1bits"]
    )
    checked_page(path)
    assert check_figures(path) == ["sweep", "accuracy"]
    text = path.read_text()
    assert NASTY not in text
    assert "\x1b" not in text
    assert "qubo-dnn sweep zoo:mnist-cnn --budgets 1bits:4bits:1bits" in text


@pytest.mark.slow
def test_the_page_opens_in_a_browser(tmp_path: Path) -> None:
    path = tmp_path / "sweep.html"
    write_sweep_report(path, record(), f"Sweep of {NASTY}")
    assert "the knee is at 3bits" in opened(path, tmp_path)

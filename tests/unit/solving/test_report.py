"""Pages about solutions and comparisons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import dimod
import pytest

import qubo_dnn as qd
from qubo_dnn.problem import Decoded
from qubo_dnn.reports.page import Chart, Page, Table
from qubo_dnn.solving.comparison import Contender, ContenderRun, Record
from qubo_dnn.solving.comparison_report import comparison_page, write_comparison
from qubo_dnn.solving.report import solution_page
from tests.pages import NASTY, check_figures, checked_page, opened

pytest.importorskip("jinja2")
pytest.importorskip("plotly")


def tables(page: Page) -> dict[str, Table]:
    return {part.caption: part for section in page.sections for part in section.parts if isinstance(part, Table)}


def charts(page: Page) -> dict[str, Chart]:
    return {part.name: part for section in page.sections for part in section.parts if isinstance(part, Chart)}


def rows(table: Table) -> dict[Any, Any]:
    return {row[0]: row[1] for row in table.rows}


@pytest.fixture(scope="module")
def ladder() -> Any:
    """A solution of a backend with a ladder, of which several reads are kept."""
    couplings = {(f"v{i}", f"v{j}"): (i * j) % 7 - 3.2 for i in range(40) for j in range(i)}
    return qd.solve(couplings, "pt", seed=1, num_reads=5, num_solutions=3, num_sweeps=200, presolve=False)


class TestSolution:
    def test_page_has_the_answer_the_samples_and_the_course_of_the_run(self, ladder: Any, tmp_path: Path) -> None:
        assert ladder.report(tmp_path / "s.html", "Forty spins") == tmp_path / "s.html"
        page = checked_page(tmp_path / "s.html")
        assert f"feasible, objective {ladder.best.objective:.10g}" in page.text
        assert "v39" in page.text
        assert check_figures(tmp_path / "s.html") == ["samples", "trace", "ladder", "exchanges", "portfolio"]
        assert "none was asked for" in page.text

    def test_charts_have_the_figures_of_the_backend(self, ladder: Any) -> None:
        info = ladder.sampleset.info
        page = solution_page(ladder, "t", {})
        drawn = charts(page)
        assert drawn["trace"].figure["data"][0]["y"] == info["trace"]["energy"]
        assert drawn["ladder"].figure["data"][0]["y"] == info["temperatures"]
        assert drawn["exchanges"].figure["data"][0]["y"] == info["exchange_acceptance"]
        moves = {name: each["moves"] for name, each in info["portfolio"].items()}
        assert {row[0]: row[2] for row in tables(page)["Sweeps and searches"].rows} == moves
        assert sum(drawn["samples"].figure["data"][0]["y"]) == 5
        assert len(tables(page)["Best different answers"].rows) == 3

    def test_trace_of_pt_falls_to_the_best_energy(self, ladder: Any) -> None:
        trace = ladder.sampleset.info["trace"]
        assert trace["energy"] == sorted(trace["energy"], reverse=True)
        assert trace["energy"][-1] == pytest.approx(ladder.best.objective)
        assert trace["seconds"] == sorted(trace["seconds"])
        assert trace["sweeps"][-1] >= 200

    def test_backend_without_a_ladder_says_so(self, tmp_path: Path) -> None:
        found = qd.solve({("a", "b"): 1.0, ("a", "a"): -2.0}, "tabu", seed=1)
        page = solution_page(found, "t", {})
        assert {"energy over time", "the ladder of temperatures", "exchange rates"} <= set(page.absent)
        found.report(tmp_path / "s.html")
        assert "the backend reports none for this run" in checked_page(tmp_path / "s.html").text

    def test_largest_of_several_components_is_shown(self) -> None:
        pairs = {(f"{part}{i}", f"{part}{j}"): 1.0 for part in "ab" for i in range(9) for j in range(i)}
        fields = {(name, name): -2.0 for pair in pairs for name in pair}
        found = qd.solve(pairs | fields, "neal", seed=1)
        captions = tables(solution_page(found, "t", {}))
        count = len(found.sampleset.info["components"])
        assert count > 1
        assert f"Last call of the backend, the component of {count} that took longest" in captions

    def test_violations_interruption_and_failure_come_first(self, ladder: Any) -> None:
        broken = replace(
            ladder, best=Decoded({"a": 1}, 3.0, {"capacity": 2.0}, {"wish": 1.0}), interrupted=True, failed="no network"
        )
        page = solution_page(broken, "t", {})
        assert page.verdict == "infeasible, objective 3"
        assert tables(page)["Violations"].rows == [("capacity", 2.0)]
        assert tables(page)["Soft constraints that are broken"].rows == [("wish", 1.0)]
        assert [text.split()[0:3] for text in page.notices] == [["The", "search", "was"], ["A", "later", "call"]]
        assert "no network" in page.notices[1]

    def test_certificate_and_problem_are_shown(self, ladder: Any) -> None:
        proven = {"optimal": False, "infeasible": False, "bound": 1.0, "gap": 0.25, "method": "m", "seconds": 0.1}
        page = solution_page(ladder, "t", {"source": "x.lp", "variables": 40}, proven)
        assert rows(tables(page)["Certificate"])["gap"] == "25 %"
        assert rows(tables(page)["Problem"]) == {"source": "x.lp", "variables": 40}
        assert "a certificate" not in page.absent

    def test_large_answers_are_cut(self, ladder: Any, tmp_path: Path) -> None:
        large = replace(ladder, best=Decoded({f"x{i}": i % 2 for i in range(20_000)}, 3.0))
        large.report(tmp_path / "s.html")
        assert "The first 300 of 20,000." in checked_page(tmp_path / "s.html").text
        large = replace(ladder, best=Decoded(list(range(100_000)), 3.0))
        (row,) = tables(solution_page(large, "t", {}))["Value"].rows
        assert len(row[1]) < 2_100

    def test_labels_do_nothing(self, tmp_path: Path) -> None:
        bqm = dimod.BinaryQuadraticModel({NASTY: -1.0, "b": 1.0}, {(NASTY, "b"): 2.0}, 0.0, "BINARY")
        qd.solve(bqm, "tabu", seed=1).report(tmp_path / "s.html", NASTY)
        page = checked_page(tmp_path / "s.html")
        assert "<script>alert" not in (tmp_path / "s.html").read_text()
        assert "\\x1b[31m" in page.text


def record(name: str, *objectives: float, feasible: bool = True) -> Record:
    runs = [
        ContenderRun(limit, seed, value + (0.5 if limit < 1 else 0.0), feasible, 0.3 * limit, False)
        for limit in (0.5, 1.0)
        for seed, value in enumerate(objectives)
    ]
    return Record(Contender.parse(name), tuple(runs))


class TestComparison:
    RECORDS = (record("tabu", -10.0, -8.0), record("neal", -10.0, -10.0))

    def test_statistics_are_of_the_runs_with_the_full_limit(self) -> None:
        page = comparison_page(self.RECORDS, "min", "t", {"time_limit": 1.0})
        assert page.verdict == "best objective -10, found by tabu, neal"
        found = {row[0]: row[1:] for row in tables(page)["Runs with the full time limit"].rows}
        assert found["tabu"] == (2, -9.0, pytest.approx(2**0.5), "50 %", pytest.approx(0.3))
        assert found["neal"] == (2, -10.0, 0.0, "100 %", pytest.approx(0.3))
        drawn = charts(page)
        assert [trace["y"] for trace in drawn["over-time"].figure["data"]] == [[-8.5, -9.0], [-9.5, -10.0]]
        mean, worst = drawn["distances"].figure["data"]
        assert (mean["x"], worst["x"]) == (pytest.approx([10.0, 0.0]), pytest.approx([20.0, 0.0]))
        assert len(tables(page)["All runs"].rows) == 8

    def test_refusals_and_interruptions_are_stated(self) -> None:
        refused = replace(record("exact"), trials=(), refusal="too many variables")
        cut = replace(self.RECORDS[0], trials=(replace(self.RECORDS[0].trials[0], interrupted=True),))
        page = comparison_page([cut, refused], "min", "t", {})
        assert page.absent == {"exact": "it cannot take the problem: too many variables"}
        assert "interrupted" in page.notices[0]

    def test_without_a_feasible_answer_there_are_no_charts(self) -> None:
        page = comparison_page([record("tabu", 1.0, feasible=False)], "max", "t", {})
        assert (page.verdict, charts(page)) == ("no feasible answer", {})
        assert "no run found a feasible answer" in page.absent.values()

    def test_page_of_a_real_comparison(self, tmp_path: Path) -> None:
        records = qd.compare({("a", "b"): 1.0, ("a", "a"): -2.0}, ["tabu", "neal"], time_limit=0.02, seeds=(0, 1))
        write_comparison(tmp_path / "c.html", records, "min", NASTY, {"source": NASTY})
        assert "best objective -2" in checked_page(tmp_path / "c.html").text
        assert check_figures(tmp_path / "c.html") == ["over-time", "distances"]


@pytest.mark.slow
def test_pages_in_a_browser(ladder: Any, tmp_path: Path) -> None:
    ladder.report(tmp_path / "s.html", NASTY)
    opened(tmp_path / "s.html", tmp_path)
    write_comparison(tmp_path / "c.html", TestComparison.RECORDS, "min", "t", {})
    opened(tmp_path / "c.html", tmp_path)

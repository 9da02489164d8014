"""Figures are honest about runs that missed, and the page says who did not run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import dimod
import pytest

from bench.solvers.__main__ import RESULTS, main, read, report
from bench.solvers.clock import CpuClock
from bench.solvers.figures import figures, reference, times_closer, times_quicker
from bench.solvers.instance import BenchmarkInstance, BestKnown
from bench.solvers.page import gaps, page, ratios, rows, times
from bench.solvers.peers.peer import Peer
from bench.solvers.run import InstanceSummary, SolverResults, SolverRun, compare
from qubo_dnn.errors import BackendFailedError, FileFormatError

Trace = list[tuple[float, float]]


def results(best: BestKnown | None, **traces: Sequence[Trace]) -> SolverResults:
    """Results of one maximised instance within 5 seconds, one trace per seed."""
    found = SolverResults(
        5.0, {name.replace("_", " "): "as it is" for name in traces}, {"other": "it is not installed"}
    )
    found.instances["cut"] = InstanceSummary("cut", "max-cut", 10, 20, "max", best)
    found.runs = [
        SolverRun("cut", name.replace("_", " "), seed, 5.0, trace, 1e6 if name == "pt" else None)
        for name, each in traces.items()
        for seed, trace in enumerate(each)
    ]
    return found


HIT, LATE, MISS = [(0.5, 90.0), (2.0, 100.0)], [(0.5, 80.0), (6.0, 100.0)], [(1.0, 96.0)]
KNOWN = BestKnown(100.0, "literature")


def test_runs_that_missed_count_as_longer_than_the_budget() -> None:
    (two, one) = figures(results(KNOWN, two=[HIT, MISS, HIT], one=[HIT, MISS, MISS]), "cut")
    assert two.time == 2.0
    assert two.reached == 2
    assert times(two, 5.0) == "2.00 (2 of 3)"
    assert math.isinf(one.time)
    assert times(one, 5.0) == "> 5 (1 of 3)"


def test_a_median_between_a_hit_and_a_miss_is_a_miss() -> None:
    (half,) = figures(results(KNOWN, half=[HIT, MISS]), "cut")
    assert times(half, 5.0) == "> 5 (1 of 2)"


def test_what_comes_after_the_budget_does_not_count() -> None:
    (late,) = figures(results(KNOWN, late=[LATE]), "cut")
    assert late.gaps == pytest.approx([20.0])
    assert late.reached == 0


def test_no_answer_is_said() -> None:
    (slow,) = figures(results(KNOWN, slow=[[(7.0, 100.0)]]), "cut")
    assert gaps(slow) == "no answer"


def test_gaps_come_with_their_range() -> None:
    (each,) = figures(results(KNOWN, it=[HIT, MISS, [(1.0, 98.0)]]), "cut")
    assert gaps(each) == "2.000 (0.000 to 4.000)"


def test_the_best_value_is_that_of_the_runs_where_they_are_better() -> None:
    def best(known: BestKnown | None, *traces: Trace) -> BestKnown:
        found = results(known, it=traces)
        return reference(found.instances["cut"], found.runs, found.seconds)

    assert best(KNOWN, MISS) == KNOWN
    assert best(None, MISS, LATE) == BestKnown(96.0, "best of the run")
    assert best(BestKnown(95.0, "best seen"), MISS) == BestKnown(96.0, "best of the run")
    assert best(BestKnown(95.0, "literature"), MISS) == BestKnown(96.0, "best of the run")
    assert best(BestKnown(96.0, "best seen"), MISS) == BestKnown(96.0, "best seen")
    rounded = BestKnown(96.0 * (1.0 - 1e-12), "proven")
    assert best(rounded, MISS) == rounded


def test_ratios_of_medians_above_the_budget_are_bounds() -> None:
    assert times_quicker(0.5, 2.0, 5.0) == "4"
    assert times_quicker(0.5, math.inf, 5.0) == "> 10"
    assert times_quicker(math.inf, 0.5, 5.0) == "< 0.1"
    assert times_quicker(math.inf, math.inf, 5.0) == ""
    assert times_closer(0.1, 0.4) == "4"
    assert times_closer(0.0, 0.4) == "all of it"
    assert times_closer(0.0, 0.0) == ""
    assert times_closer(0.4, 0.0) == "0"


def test_the_page_has_every_row_and_names_who_is_left_out() -> None:
    found = results(KNOWN, pt=[HIT, HIT], dwave_SA=[MISS, MISS])
    text = page(found, "InstanceSummary it.")
    assert "- other: left out; it is not installed." in text
    assert "| cut | max-cut | 10 | 20 | 100 | literature |" in text
    assert "| cut | pt | 0.000 (0.000 to 0.000) | 2.00 (2 of 2) | 1 |" in text
    assert "| cut | dwave SA | 4.000 (4.000 to 4.000) | > 5 (0 of 2) |  |" in text
    assert "| cut | dwave SA | all of it | > 2.5 |  |" in text
    assert "seeds 0, 1" in text
    for row in rows(found, found.instances["cut"]):
        assert row in text


def test_without_pt_nothing_is_compared_with_it() -> None:
    found = results(KNOWN, dwave_SA=[MISS])
    assert ratios(found) == []
    assert "against the others" not in page(found, "")


def test_results_are_read_back_as_they_were(tmp_path: Path) -> None:
    for found in (results(KNOWN, pt=[HIT]), results(None, pt=[HIT])):
        (tmp_path / RESULTS).write_text(json.dumps(asdict(found)))
        assert read(tmp_path) == found


def test_page_and_picture_are_made_from_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="the extra bench is not installed")
    found = results(KNOWN, pt=[HIT], dwave_SA=[MISS])
    (tmp_path / RESULTS).write_text(json.dumps(asdict(found)))
    monkeypatch.setattr("sys.argv", ["bench.solvers", "--report-only", "--out", str(tmp_path)])
    main()
    once = (tmp_path / "README.md").read_bytes()
    assert (tmp_path / "gaps.png").read_bytes().startswith(b"\x89PNG")
    drawn = (tmp_path / "gaps.svg").read_text()
    assert "<svg" in drawn
    report(read(tmp_path), tmp_path)
    assert (tmp_path / "README.md").read_bytes() == once


def test_other_files_are_no_results(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="holds no results"):
        read(tmp_path)
    (tmp_path / RESULTS).write_text('{"seconds": 1}')
    with pytest.raises(FileFormatError, match="holds no results"):
        read(tmp_path)


def stub(name: str, energy: float, order: list[str]) -> Peer:
    """A solver that says the state 0, 1 has some energy, and notes its turns."""

    def prepare(bqm: dimod.BinaryQuadraticModel) -> Callable[[CpuClock, int], None]:
        order.append(f"prepare {name}")

        def run(clock: CpuClock, seed: int) -> None:
            order.append(f"{name} {seed}")
            clock.report(energy, dict(zip(bqm.variables, (0, 1), strict=True)))
            clock.attempted(100)

        return run

    return Peer(name, "", "dimod", "dimod:BQM", prepare)


def test_solvers_take_turns_within_an_instance() -> None:
    bqm = dimod.BinaryQuadraticModel({0: 1.0, 1: -2.0}, {(0, 1): 3.0}, 0.0, dimod.BINARY)
    order: list[str] = []
    found = SolverResults(0.1, {"a": "", "b": ""}, {})
    told: list[str] = []
    instances = [BenchmarkInstance("one", "", bqm, "max"), BenchmarkInstance("two", "", bqm)]
    compare([stub("a", -2.0, order), stub("b", -2.0, order)], instances, found, [4, 5], lambda x: told.append(x.name))
    assert order == ["prepare a", "prepare b", "a 4", "b 4", "b 5", "a 5"] * 2
    assert told == ["one", "two"]
    assert [run.trace[0][1] for run in found.runs] == [2.0] * 4 + [-2.0] * 4
    assert all(run.flips_per_second is not None and run.flips_per_second > 0 for run in found.runs)


def test_a_solver_that_claims_too_much_ends_the_comparison() -> None:
    bqm = dimod.BinaryQuadraticModel({0: 1.0, 1: -2.0}, {}, 0.0, dimod.BINARY)
    with pytest.raises(BackendFailedError, match=r"a claims the energy -9\.0"):
        compare(
            [stub("a", -9.0, [])], [BenchmarkInstance("one", "", bqm)], SolverResults(0.1, {}, {}), [0], lambda _: None
        )

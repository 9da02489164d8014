"""The table on stdout and the progress on stderr."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from qubo_dnn import errors
from qubo_dnn.cli.common.console import print_run
from qubo_dnn.compression.search.progress import SearchRound
from qubo_dnn.console_reporter import ConsoleReporter
from qubo_dnn.solving.solution import BackendCall

FRACTION = {"name": "size", "kind": "fraction", "unit": "of the fp32 weights", "limit": 0.25, "used": 0.2}


def figures(**changes: Any) -> dict[str, Any]:
    """A result as `qubo_dnn.compression.result.result` gives it."""
    return {
        "network": "mine:net",
        "metric": "mine:score",
        "reference": {"accuracy": 0.9, "loss": 0.1, "metric": None, "bytes": 4000},
        "compressed": {
            **{"accuracy": 0.89, "loss": 0.2, "metric": None, "divergence": 0.3},
            **{"bytes": 1000, "bits_per_weight": 3.0, "pruned_fraction": 0.25},
        },
        "coverage": 0.875,
        "calibration_metric": [None, None],
        "predicted_loss_increase": None,
        "calibration_loss_increase": 0.1,
        "held_out_divergence": {"bare": 0.5, "recovered": 0.25},
        "recovery": ["bias", "batchnorm"],
        "removal": None,
        "budgets": [FRACTION],
        "reward": {"kind": "model"},
        "certificate": None,
        "backend": "pt",
        "seed": None,
        "variables": 1200,
        "interactions": 5,
        "rounds": [{"number": 1}],
        "interrupted": False,
        "failed": None,
        "layers": [],
        "left_alone": [],
        "seconds": {"measure": 1.0, "total": 1.0},
    } | changes


class TestTable:
    def printed(self, capsys: pytest.CaptureFixture[str], **changes: Any) -> str:
        print_run(figures(**changes), Path("out"))
        return capsys.readouterr().out

    def test_the_distance_from_the_optimum_is_told_where_it_is_known(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "certificate" not in self.printed(capsys)
        known = {"bound": 1.0, "gap": 0.0, "plan_gap": 0.0125, "method": "enumeration", "seconds": 0.1}
        known |= {"optimal": True, "infeasible": False}
        line = "certificate: optimal: proven gap 0 %, bound 1, by enumeration, 0.1 s"
        assert f"{line}; of the plan 1.25 %\n" in self.printed(capsys, certificate=known)
        unknown = known | {"bound": None, "gap": None, "plan_gap": None, "optimal": False}
        line = "certificate: no proven gap, no bound, by enumeration, 0.1 s"
        assert f"{line}\n" in self.printed(capsys, certificate=unknown)
        line = "certificate: infeasible: no state keeps the constraints, by enumeration, 0.1 s"
        assert f"{line}\n" in self.printed(capsys, certificate=unknown | {"infeasible": True})

    def test_budgets_are_in_their_own_unit(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "budget: 20 of 25 % of the fp32 weights\n" in self.printed(capsys)
        size = {"name": "size", "kind": "bytes", "unit": "bytes of weights", "limit": 200_000.0, "used": 199_990.0}
        table = {"name": "latency", "kind": "table", "unit": "latency", "limit": 3.5, "used": 3.25}
        said = self.printed(capsys, budgets=[size, table])
        assert "budget: 199990 of 200000 bytes of weights\nbudget: 3.25 of 3.5 latency\n" in said

    def test_without_a_budget_there_is_no_such_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "budget" not in self.printed(capsys, budgets=[])

    def test_removed_channels_and_those_that_stay(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "removal" not in self.printed(capsys)
        removal = {"channels": {"a": [1, 2], "b": [0]}, "left": {"c": "1 pruned channel: so"}, "macs": [1000, 750]}
        said = self.printed(capsys, removal=removal)
        assert "removal: 3 channels leave, 750 of 1,000 multiply-accumulates (75.00 %)\n" in said
        assert "not removed: c, 1 pruned channel: so\n" in said

    def test_recovery_and_what_it_was_worth(self, capsys: pytest.CaptureFixture[str]) -> None:
        said = self.printed(capsys)
        assert "recovery: bias and batchnorm\n" in said
        rows = [row.split() for row in said.splitlines()]
        assert ["held-out", "divergence,", "bare", "-", "0.5000"] in rows
        assert ["held-out", "divergence", "-", "0.2500"] in rows
        assert "recovery: none\n" in self.printed(capsys, recovery=[])

    def test_a_round_that_broke_off_is_warned_of(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "warning: a later round broke off: no [line]\n" in self.printed(capsys, failed="no [line]")

    def test_backend_without_seed(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "solved by pt: 1,200 variables, 5 interactions, 1 round\n" in self.printed(capsys)

    def test_interrupted(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "2 rounds, interrupted\n" in self.printed(capsys, rounds=[{}, {}], interrupted=True)

    def test_layers_left_alone(self, capsys: pytest.CaptureFixture[str]) -> None:
        skipped = [{"name": "", "type": "Odd", "reason": "why [not]", "bytes": 1200, "share": 0.25}]
        said = self.printed(capsys, left_alone=skipped)
        assert (
            "left alone: the model (Odd), 1,200 bytes (25.00 % of the fp32 file, 120.00 % of the new one): why [not]\n"
            in said
        )

    def test_coverage_and_metric(self, capsys: pytest.CaptureFixture[str]) -> None:
        rows = {line.partition("  ")[0]: line.split()[-2:] for line in self.printed(capsys).splitlines()}
        assert rows["weights compressed"] == ["87.50", "%"]
        assert "score" not in self.printed(capsys)
        assert "calibration mine:score" in self.printed(capsys, calibration_metric=[0.5, 0.25])

    def test_collapse_is_warned_of(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "warning" not in self.printed(capsys)
        worse = figures()["compressed"] | {"accuracy": 0.5}
        assert "warning: the accuracy fell by 40.00 points\n" in self.printed(capsys, compressed=worse)

    def test_file_that_is_not_smaller_is_warned_of(self, capsys: pytest.CaptureFixture[str]) -> None:
        larger = figures()["compressed"] | {"bytes": 4000}
        assert "warning: the file is not smaller\n" in self.printed(capsys, compressed=larger)


class TestReporter:
    def test_on_a_terminal_draws_bars(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "100")
        with ConsoleReporter() as reporter:
            reporter.stage("measure")
            reporter.progress(3, 1200)
            reporter.stage("solve")
            reporter.backend_call(BackendCall(number=2, objective=0.25, seconds=1.0))
        said = capsys.readouterr().err
        assert "3 of 1,200" in said
        assert "call 2, best 0.25" in said

    def test_says_when_nothing_is_feasible_yet(self, capsys: pytest.CaptureFixture[str]) -> None:
        with ConsoleReporter() as reporter:
            reporter.stage("solve")
            reporter.backend_call(BackendCall(number=1, objective=None, seconds=1.0, broken=("a",)))
        assert capsys.readouterr().err.startswith("solve (call 1, nothing feasible yet): ")

    def test_does_not_call_a_stage_done_that_failed(self, capsys: pytest.CaptureFixture[str]) -> None:
        reporter = ConsoleReporter()
        reporter.__enter__()
        reporter.stage("load")
        fault = errors.DataError("no")
        reporter.__exit__(type(fault), fault, None)
        assert capsys.readouterr().err == ""

    def test_a_round_of_linearising_is_a_line_of_its_own(self, capsys: pytest.CaptureFixture[str]) -> None:
        done = SearchRound(
            number=1,
            parameters={"beta": 2},
            predicted=0.5,
            divergence=0.25,
            limit=5.0,
            best=0.25,
            accepted=True,
            seconds=3.0,
        )
        worse = SearchRound(
            number=2, parameters={}, predicted=None, divergence=0.3, limit=None, best=0.25, accepted=False, seconds=1.0
        )
        with ConsoleReporter() as reporter:
            reporter.stage("apply")
            reporter.search_round(done)
            reporter.search_round(worse)
        finished, first, second = capsys.readouterr().err.splitlines()
        assert finished.startswith("apply: ")
        assert first == "round 1: held-out divergence 0.2500, predicted 0.5000, beta 2, 3.0 s: accepted"
        assert second == "round 2: held-out divergence 0.3000, 1.0 s: not clearly better than 0.2500, the last round"


def test_what_a_backend_says_is_heard_once_and_only_meanwhile(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("qubo_dnn.backend.mine")
    with ConsoleReporter() as reporter:
        reporter.stage("solve")
        for _ in range(2):
            logger.info("mine: %d qubits", 3)
        logger.debug("mine: nearly done")
    logger.info("mine: nobody listens")
    printed = capsys.readouterr().err
    assert printed.count("mine: 3 qubits") == 1
    assert "solve (mine: nearly done)" in printed
    assert "nobody" not in printed

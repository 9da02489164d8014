"""A network is compressed through D-Wave's backends, as through any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qubo_dnn.cli.main import main
from tests.remote.service import StandIn

BACKENDS = [
    "dwave-hybrid-cqm",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("dwave-hybrid", "dwave-qpu", "qpu-emulator:pegasus:6")),
]


@pytest.mark.parametrize("backend", BACKENDS)
def test_compress(stand_in: StandIn, backend: str, tmp_path: Path) -> None:
    network = ["compress", "zoo:mnist-cnn", "--granularity", "layer", "--options", "2,3,4", "--budget", "3bits"]
    sizes = ["--calibration-size", "32", "--rounds", "1", "--rerank", "1", "--recovery", "none"]
    report = ["--embed-report", str(tmp_path / "e.html"), "--embed-target", "zephyr:6"]
    assert main([*network, *sizes, *report, "--backend", backend, "--out", str(tmp_path / "out")]) == 0
    assert "fits" in (tmp_path / "e.html").read_text().partition('class="verdict"')[2][:40]
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["backend"] == backend.partition(":")[0]
    assert result["compressed"]["bits_per_weight"] <= 3.0
    assert {kind for kind, _ in stand_in.submitted} <= {"ising", "bqm", "cqm"}
    assert bool(stand_in.submitted) is backend.startswith("dwave")

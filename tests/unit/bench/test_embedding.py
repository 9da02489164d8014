"""The benchmark's rows say what fits, and compare the emulator with `pt` on the same objective."""

from __future__ import annotations

import pytest
from torch import nn

from bench.embedding.__main__ import picture
from bench.embedding.run import ENCODINGS, TABLE, SolverBudget, rows
from bench.networks.problems import cases
from qubo_dnn.compression.data.dataset import Data


def test_rows_of_a_small_network(network: nn.Module, images: Data) -> None:
    (case,) = cases(network, images, ["layer"], [(2, 4)], 3.5, 0)
    assert case.units == 3
    found = list(
        rows(case, ["pegasus:4", "zephyr:2"], SolverBudget(reads=5, most_variables=20, seconds=0.2, seeds=(0, 1)))
    )
    assert [(row["budget"], row["chip"]) for row in found] == [
        (encoding, chip) for encoding in ENCODINGS for chip in ("pegasus:4", "zephyr:2")
    ]
    for row in found:
        assert TABLE.line(row).count(" | ") == TABLE.headings.count(" | ")
        assert row["problem"]["variables"] >= 6
        assert ("emulated" in row) is (row["chip"] == "pegasus:4")
    # Eight plans: the emulator, repaired, finds the best one too.
    assert [each["repaired_excess"] for each in found[0]["emulated"]] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert all(
        0.0 <= max(each["feasible_reads"]) <= 1.0 for row in found if "emulated" in row for each in row["emulated"]
    )
    assert found[2]["problem"]["variables"] > found[0]["problem"]["variables"]
    drawn = picture(found)
    assert [series.name for series in drawn.series] == ["pegasus:4", "zephyr:2"]
    assert drawn.series[0].y == [found[0]["embedding"]["qubits"], found[2]["embedding"]["qubits"]]

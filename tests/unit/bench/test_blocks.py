"""Rows of decomposition say whether small blocks reach `pt`, and stand beside their control."""

from __future__ import annotations

from pathlib import Path

import dimod
import pytest
from torch import nn

from bench.embedding import blocks as embedded
from bench.networks.problems import cases
from bench.solvers.blocks import TABLE, Instance, problems, row
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.conversion import to_problem
from qubo_dnn.errors import OptionError


def test_small_blocks_reach_the_best_value_of_a_small_problem() -> None:
    bqm = dimod.generators.ran_r(3, 24, cls="BINARY", seed=1)
    found = row(Instance("tiny.qubo", 0.0), to_problem(bqm), 20.0, 0.5, seed=0)
    assert found["reached"]
    assert found["pt"] == found["exact"] <= min(found["random"], found["without_merging"])
    assert TABLE.line(found).count(" | ") == TABLE.headings.count(" | ")


def test_a_folder_without_an_instance_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"has no bqp100_1\.qubo\.gz"):
        next(problems(tmp_path))


def test_a_network_is_solved_by_blocks(network: nn.Module, images: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    ways = tuple((f"decompose:{name}", {**embedded.CIRCUIT, "max_blocks": 3}) for name in ("random", "exact"))
    monkeypatch.setattr(embedded, "WAYS", ways)
    (case,) = cases(network, images, ["channel"], [(2, 4)], 3.5, 0)
    found = list(embedded.rows(case, 0.5, 0))
    assert [each["backend"] for each in found] == ["pt", "decompose:random", "decompose:exact"]
    assert all(each["feasible"] and each["above_pt"] >= -1e-9 for each in found)
    assert all(embedded.TABLE.line(each).count(" | ") == embedded.TABLE.headings.count(" | ") for each in found)

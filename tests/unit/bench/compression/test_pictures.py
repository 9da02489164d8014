from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.compression.comparison.rows import MethodRow
from bench.compression.pictures import accuracies, scatter
from qubo_dnn.errors import OutputError

ROW = MethodRow("as-given", 3.0, "greedy", 0, 2.9, 0.875, 0.05, 12.0, 0.25)


def test_accuracies_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra bench is not installed")
    rows = [ROW, replace(ROW, seed=1, accuracy=0.9), replace(ROW, budget=4.0), replace(ROW, situation="folded")]
    accuracies(rows, 0.91, tmp_path / "new")
    assert (tmp_path / "new" / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    drawn = (tmp_path / "new" / "accuracy.svg").read_text()
    assert "<svg" in drawn
    accuracies(rows, 0.91, tmp_path / "again")
    assert (tmp_path / "again" / "accuracy.svg").read_text() == drawn


def test_points_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra bench is not installed")
    scatter([0.1, 1.0], {"ours": [0.2, 0.9], "trace": [0.3, 0.4]}, {"ours": "a", "trace": "b"}, tmp_path, "rank")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["rank.png", "rank.svg"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra bench is not installed")
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="pictures cannot be written"):
        accuracies([ROW], 0.9, tmp_path / "taken")

"""The page of the benchmark of workers: what is run again replaces its own rows."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("distributed", reason="the extra dask is not installed")

from bench.cluster import disturbances
from bench.cluster.__main__ import main
from bench.cluster.speed import portfolio
from qubo_dnn.errors import OptionError


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    """Run the command; returns the page."""
    monkeypatch.setattr(sys, "argv", ["bench.cluster", *words, "--out", str(folder)])
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    main()
    return (folder / "README.md").read_text()


def test_rows_are_kept_until_they_are_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(what: str, runs: int) -> dict[str, object]:
        return {"what": what, "runs": runs, "disturbed": runs, "different": 0}

    monkeypatch.setattr(disturbances, "workers_killed", lambda count, _: fault("a worker is killed", count))
    monkeypatch.setattr(disturbances, "disk_full", lambda count: fault("the disk is full", count))
    assert "| a worker is killed | 3 | 3 | 0 | 0 |" in run(tmp_path, monkeypatch, "workers", "--runs", "3")
    second = run(tmp_path, monkeypatch, "disk", "workers", "--runs", "4")
    assert second.index("| a worker is killed | 4 | 4 |") < second.index("| the disk is full | 4 | 4 |")
    (tmp_path / "remarks.md").write_text("A remark.\n")
    assert "A remark." in run(tmp_path, monkeypatch, "--report-only")
    with pytest.raises(OptionError, match="name what to run: speed, numbers"):
        run(tmp_path, monkeypatch)


def test_the_portfolio_to_be_timed_repeats_itself() -> None:
    work = portfolio(20)
    assert np.array_equal(work(None)[0], work(None)[0])

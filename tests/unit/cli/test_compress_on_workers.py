"""`qubo-dnn compress` with workers, and what failing workers, networks, disks and runs leave."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cluster import disturbances
from qubo_dnn.cli.main import main
from qubo_dnn.errors import OptionError, OutputError

pytestmark = pytest.mark.usefixtures("folder")
Line = Callable[..., list[str]]
# Several parts, and the second round around a compressed network.
MORE = ("--rounds", "2", "--backend", "neal", "--probes", "40")


def job(line: Line) -> list[str]:
    """The words of a compression of 120 images, without its folders."""
    words = line(*MORE, calibration="many.npz")
    place = words.index("--out")
    return words[:place] + words[place + 2 :]


def test_wrong_workers_are_refused_before_anything_is_loaded(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line("--cluster", "local:none")) == OptionError.exit_code
    said = capsys.readouterr().err
    assert "a cluster is local:N, with N processes on this machine" in said
    assert "load" not in said


@pytest.mark.slow
def test_any_number_of_workers_writes_the_same_files(folder: Path, line: Line) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    for count in ("", "1", "2", "4"):
        workers = ["--cluster", f"local:{count}"] if count else []
        assert main([*job(line), "--out", f"out{count}", *workers]) == 0
        for name in ("plan.json", "model.safetensors"):
            assert (folder / f"out{count}" / name).read_bytes() == (folder / "out" / name).read_bytes(), count


@pytest.mark.slow
def test_a_portfolio_is_the_same_on_workers(folder: Path, line: Line) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    for out, workers in (("here", []), ("there", ["--cluster", "local:2"])):
        assert main([*job(line), "--rounds", "1", "--portfolio", "3", "--out", out, *workers]) == 0
    assert json.loads((folder / "here" / "result.json").read_text())["backend"] == "neal*3"
    assert (folder / "here" / "plan.json").read_bytes() == (folder / "there" / "plan.json").read_bytes()


@pytest.mark.slow
def test_killed_workers_change_nothing(line: Line) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    assert disturbances.workers_killed(2, seed=1, job=job(line))["different"] == 0


@pytest.mark.slow
def test_a_cut_network_changes_nothing(line: Line) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    assert disturbances.network_cut(1, seed=1, job=job(line))["different"] == 0


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_half_written_and_resumes(line: Line) -> None:
    found = disturbances.runs_killed(5, seed=1, job=job(line))
    assert (found["disturbed"], found["different"]) == (5, 0)


@pytest.mark.slow
def test_a_full_disk_ends_a_run_with_one_line_and_nothing_half_written(line: Line) -> None:
    try:
        found = disturbances.disk_full(3, job=job(line))
    except OutputError as cause:
        pytest.skip(str(cause))
    assert found["disturbed"] >= 1

"""`qubo-dnn profile`, and the budget of latency that its table is for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from qubo_dnn import errors
from qubo_dnn.cli.main import main
from qubo_dnn.compression.task.cost_tables import read_table
from tests.unit.compression.export.conftest import translations  # noqa: F401 (a fixture)

Line = Callable[..., list[str]]
SOURCE = ("mine:net", "--calibration", "images.npz")


def test_its_table_is_a_budget(folder: Path, line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", *SOURCE, "--out", "latency.csv", "--options", "0,4,8,32", "--runs", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    table = read_table(folder / "latency.csv")
    assert {layer for layer, _ in table.costs} == set(found["floats"]["layers"])
    budget = ("--table", "latency=latency.csv", "--budget", "latency=60%", "--options", "0,8,32")
    assert main(line(*budget, "--rounds", "1", "--backend", "tabu", "--json")) == 0
    result = json.loads(capsys.readouterr().out)
    latency = next(budget for budget in result["budgets"] if budget["name"] == "latency")
    assert latency["used"] <= latency["limit"] == pytest.approx(0.6)


def test_people_get_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", *SOURCE, "--out", "latency.csv", "--runs", "3", "--batch", "2"]) == 0
    said = capsys.readouterr().out
    assert "in onnxruntime, threads 1, batch 2; medians and quartiles of 3 runs" in said
    assert "32 bits: whole network " in said
    assert said.endswith("written to latency.csv\n")
    assert (folder / "latency.csv").is_file()


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        (("--runtime", "tensorrt"), errors.OptionError, "unknown runtime 'tensorrt'"),
        (("--options", "9"), errors.OptionError, "bit width 9 is neither in 0 to 8 nor 32"),
        (("--out", "."), errors.OutputError, ". cannot be written"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_cannot_be_done_is_refused_in_one_line(
    words: tuple[str, str], kind: type[errors.QuboDnnError], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", *SOURCE, "--out", "latency.csv", *words]) == kind.exit_code
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1

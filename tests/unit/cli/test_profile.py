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
    assert {layer for layer, _ in table.costs} == {*found["floats"]["layers"], "(rest)"}
    budget = ("--table", "latency=latency.csv", "--budget", "latency=60%", "--options", "0,8,32")
    assert main(line(*budget, "--rounds", "1", "--backend", "tabu", "--json")) == 0
    result = json.loads(capsys.readouterr().out)
    latency = next(budget for budget in result["budgets"] if budget["name"] == "latency")
    assert latency["used"] <= latency["limit"] == pytest.approx(0.6)
    assert latency["share_of_float"] is not None


def test_a_prediction_stands_beside_what_was_measured(
    folder: Path, line: Line, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{name},{option},{cost}" for name in ("0", "3") for option, cost in ((0, 0), (8, 1), (32, 4))]
    (folder / "latency.csv").write_text("\n".join(["layer,option,cost", *rows, "(rest),8,1", "(rest),32,2"]))
    budget = ("--table", "latency=latency.csv", "--budget", "latency=60%", "--options", "0,8,32")
    words = line(*budget, "--rounds", "1", "--backend", "tabu", "--onnx", "a.onnx", "--onnx-form", "fast", "--json")
    assert main(words) == 0
    result = json.loads(capsys.readouterr().out)
    assert json.loads((folder / "out" / "result.json").read_text()) == result
    costs = {"0": 0, "8": 1, "32": 4}
    layers = [
        sum(costs[width] * channels for width, channels in layer["widths"].items()) / layer["shape"][0]
        for layer in result["layers"]
    ]
    predicted = (sum(layers) + 1) / (4 + 4 + 2)
    assert 0.1 < predicted < 1.0
    assert result["onnx"]["predicted"] == pytest.approx(predicted)
    assert [each["share_of_float"] for each in result["budgets"]] == [None, result["onnx"]["predicted"]]
    assert result["onnx"]["latency"]["share"] == pytest.approx(1 / result["onnx"]["latency"]["speedup"])
    assert main(["export", "out", "--onnx", "b.onnx", "--form", "fast"]) == 0
    assert f" of the time, and the cost table predicts {predicted:.3f}\n" in capsys.readouterr().out


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

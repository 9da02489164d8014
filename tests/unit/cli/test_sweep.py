"""`qubo-dnn sweep` and `qubo-dnn apply`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qubo_dnn.cli.common.sweep_table import print_sweep
from qubo_dnn.cli.main import main
from qubo_dnn.compression.rewriting.compressed_file import load_compressed_
from qubo_dnn.compression.sweep.points import SweepPoint
from qubo_dnn.compression.sweep.record import SweepRecord
from qubo_dnn.console_reporter import ConsoleReporter
from qubo_dnn.errors import (
    BudgetError,
    DataError,
    FileFormatError,
    ModelError,
    OptionError,
    OutputExistsError,
    QuboDnnError,
)
from tests.pages import checked_page

Failure = Callable[..., str]
FILES = {"model.safetensors", "plan.json", "result.json"}


def words(*more: str, budgets: str = "4bits:6bits:1bits:weights") -> list[str]:
    quick = ("--objective", "separable", "--rounds", "1", "--rerank", "1", "--recovery", "none")
    return [
        *("sweep", "mine:net", "--budgets", budgets, "--out", "out", "--granularity", "group:2"),
        *("--calibration", "images.npz", "--test", "images.npz", *quick, *more),
    ]


@pytest.fixture
def swept(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """A sweep of three points: its record."""
    assert main(words("--json")) == 0
    record: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert record == json.loads((folder / "out" / "sweep.json").read_text())
    return record


class TestSweep:
    def test_every_point_is_a_folder_of_a_compression(self, folder: Path, swept: dict[str, Any]) -> None:
        assert [point["budget"] for point in swept["points"]] == [f"{bits}bits:weights" for bits in (4, 5, 6)]
        assert set(os.listdir(folder / "out")) == {"sweep.json", "sweep.svg", "points"}
        assert not (folder / "out.measured").exists()
        for point in swept["points"]:
            within = folder / "out" / "points" / str(point["number"])
            assert set(os.listdir(within)) == FILES
            result = json.loads((within / "result.json").read_text())
            assert result["compressed"]["bytes"] == point["bytes"] == (within / "model.safetensors").stat().st_size
            assert result["compressed"]["accuracy"] == point["accuracy"]
            assert result["sweep"] == {"point": point["number"], "budget": point["budget"]}
            assert result["network"] == "mine:net"

    @pytest.mark.usefixtures("folder")
    def test_the_table_has_all_points(self, capsys: pytest.CaptureFixture[str]) -> None:
        budgets = "0.01bits:weights,4bits:weights,6bits:weights"
        assert main(words("--metric", "mine:largest", "--baselines", budgets=budgets)) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split("  ")[0] == "point"
        assert "test mine:largest" in lines[0]
        assert [line.split()[0] for line in lines[2:10]] == ["1", "2", "3", *["uniform"] * 5]
        assert lines[2].endswith("no plan")
        assert any(line.startswith("point 1, 0.01bits:weights: the budget of") for line in lines)
        assert lines[-1] == "written to out"

    def test_the_page_has_all_points(self, folder: Path) -> None:
        assert main(words("--report", "page.html")) == 0
        text = checked_page(folder / "page.html").text
        assert "Sweep of mine:net 3 of 3 budgets have a plan" in text
        assert "--report page.html" in text

    def test_interrupted_and_gone_on(
        self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = ConsoleReporter.stage

        def stage(self: ConsoleReporter, name: str) -> None:
            if name.startswith("point 2 of 3"):
                raise KeyboardInterrupt
            whole(self, name)

        monkeypatch.setattr(ConsoleReporter, "stage", stage)
        assert main(words()) == 130
        out, said = capsys.readouterr()
        assert "1 of 3 points are done and kept; the same command goes on with the others" in out
        assert said.splitlines()[-1] == "interrupted"
        assert (folder / "out.measured" / "given.safetensors").exists()
        monkeypatch.setattr(ConsoleReporter, "stage", whole)
        assert main(words()) == 0
        said = capsys.readouterr().err
        assert "point 1 of 3" not in said
        assert "point 2 of 3, 5bits:weights: solve" in said
        assert not (folder / "out.measured").exists()

    @pytest.mark.usefixtures("swept")
    def test_other_settings_need_overwrite(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(words("--seed", "1")) == OutputExistsError.exit_code
        assert "holds a sweep that differs in backend options, seed; choose another" in capsys.readouterr().err
        assert main(words("--seed", "1", "--overwrite")) == 0

    @pytest.mark.usefixtures("folder")
    def test_a_table_of_costs(self, capsys: pytest.CaptureFixture[str]) -> None:
        budgets = "latency=60%:100%:20%"
        assert main(words("--table", "latency=latency.csv", "--json", budgets=budgets)) == 0
        record = json.loads(capsys.readouterr().out)
        assert record["unit"] == "latency"
        # The dearest options cost 11 and 9.
        assert [point["cost"] <= share * 20 for point, share in zip(record["points"], (0.6, 0.8, 1.0), strict=True)]
        assert record["points"][2]["cost"] == pytest.approx(20)

    def test_without_the_library_of_pictures(
        self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        assert main(words(budgets="5bits:weights")) == 0
        assert "no picture: matplotlib" in capsys.readouterr().err
        assert not (folder / "out" / "sweep.svg").exists()

    @pytest.mark.parametrize(
        ("error", "budgets", "more", "said"),
        [
            (OptionError, "2bits:4bits", (), "is not a range FIRST:LAST:STEP"),
            (OptionError, "4bits:2bits:1bits", (), "it begins above its end"),
            (OptionError, "4bits,60%macs", (), "limit different quantities, size and macs"),
            (OptionError, "4bits", ("--budget", "200KB"), "both limit size"),
            (OptionError, "4bits", ("--table", "latency=latency.csv"), "no budget uses the table 'latency'"),
            (OptionError, "4bits", ("--formulation", "aqc-pruning-quantization", "--baselines"), "objective"),
            (OutputExistsError, "4bits", ("--out", "mine.py"), "is a file"),
            (OutputExistsError, "4bits", ("--out", "."), "is not the output of a sweep"),
        ],
    )
    def test_refused(self, failure: Failure, error: type[QuboDnnError], budgets: str, more: Any, said: str) -> None:
        assert said in failure(error, words(*more, budgets=budgets))

    @pytest.mark.usefixtures("folder")
    def test_budgets_none_of_which_can_be_met(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(words(budgets="0.01bits:weights")) == BudgetError.exit_code
        assert "none of the budgets can be met" in capsys.readouterr().err


def test_no_control_character_of_a_name_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    record = SweepRecord(settings={}, unit="bytes", budgets=["2bits", "3bits"], reference={"bytes": 10})
    warnings = ("left alone: \x1b[31mred\x07 [bold]", "said of both")
    figures: dict[str, Any] = {"cost": 5, "divergence": 0.5, "bytes": 5}
    record.points[1] = SweepPoint(number=1, budget="2bits", warnings=warnings, **figures)
    record.points[2] = SweepPoint(number=2, budget="3bits", warnings=warnings[1:], **figures)
    print_sweep(record, Path("out"))
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "warning: point 1, 2bits: left alone: \\x1b[31mred\\x07 [bold]" in out
    assert out.count("warning: said of both") == 1


class TestApply:
    def test_a_point_becomes_a_compression(
        self, folder: Path, swept: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["apply", "out", "--point", "3", "--out", "third", "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        point = swept["points"][2]
        assert result["compressed"]["bytes"] == point["bytes"]
        assert result["again"] == {"accuracy": point["accuracy"], "loss": point["loss"], "metric": None}
        assert set(os.listdir(folder / "third")) == FILES
        for name in ("model.safetensors", "plan.json"):
            assert (folder / "third" / name).read_bytes() == (folder / "out" / "points" / "3" / name).read_bytes()
        assert json.loads((folder / "third" / "result.json").read_text()) == result
        import mine  # type: ignore[import-not-found]  # written by the fixture

        network, data = mine.net(), np.load(folder / "images.npz")
        load_compressed_(network, folder / "third" / "model.safetensors")
        images = torch.from_numpy(data["x"]).movedim(3, 1) / 255
        right = (network(images).argmax(1).numpy() == data["y"]).mean()
        assert right == pytest.approx(point["accuracy"])

    @pytest.mark.usefixtures("swept")
    def test_its_folder_has_a_name_of_its_own(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["apply", "out", "--point", "1"]) == 0
        out = capsys.readouterr().out
        assert "evaluated again: accuracy" in out
        assert set(os.listdir(folder / "out.point-1")) == FILES
        assert main(["apply", "out", "--point", "1"]) == OutputExistsError.exit_code
        assert main(["apply", "out", "--point", "1", "--overwrite"]) == 0

    @pytest.mark.parametrize(
        ("error", "more", "said"),
        [
            (OptionError, ("out", "--point", "4"), "no point '4'; points with a plan: 1, 2, 3"),
            (OptionError, ("out", "--point", "x"), "no point 'x'"),
            (FileFormatError, ("images.npz", "--point", "1"), "not the folder of a sweep"),
            (ModelError, ("out", "--point", "1", "--network", "mine:several"), "out/points/1/model.safetensors"),
            (DataError, ("out", "--point", "1", "--calibration", "no.npz"), "no.npz"),
        ],
    )
    @pytest.mark.usefixtures("swept")
    def test_refused(self, failure: Failure, error: type[QuboDnnError], more: tuple[str, ...], said: str) -> None:
        assert said in failure(error, ["apply", *more])

    @pytest.mark.parametrize("name", ["plan.json", "result.json", "model.safetensors"])
    @pytest.mark.usefixtures("swept")
    def test_damaged_points(self, folder: Path, failure: Failure, name: str) -> None:
        (folder / "out" / "points" / "2" / name).write_text("{")
        failure(FileFormatError, ["apply", "out", "--point", "2"])

    @pytest.mark.usefixtures("swept")
    def test_a_plan_of_another_point(self, folder: Path, failure: Failure) -> None:
        points = folder / "out" / "points"
        assert (points / "1" / "plan.json").read_bytes() != (points / "3" / "plan.json").read_bytes()
        (points / "1" / "plan.json").write_bytes((points / "3" / "plan.json").read_bytes())
        said = failure(FileFormatError, ["apply", "out", "--point", "1"])
        assert "plan.json and model.safetensors do not fit together" in said


@pytest.mark.usefixtures("swept")
def test_reading_a_sweep_needs_no_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from qubo_dnn.compression.sweep.record import read_sweep\n"
        "print(len(read_sweep(Path('out')).points), 'torch' in sys.modules)"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.split() == ["3", "False"]

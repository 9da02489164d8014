"""`qubo-dnn inspect` of networks, folders and files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qubo_dnn import errors
from qubo_dnn.cli.common.inspection import print_record
from qubo_dnn.cli.main import main
from qubo_dnn.compression.inspection.run_record import RunRecord

Printed = pytest.CaptureFixture[str]


def table(printed: str) -> list[list[str]]:
    """Cells of the rows of all tables."""
    return [re.split(r"  +", line.strip()) for line in printed.splitlines() if "  " in line]


class TestNetwork:
    def test_with_data(self, folder: Path, capsys: Printed) -> None:
        words = ["inspect", "mine:net", "--calibration", "images.npz", "--granularity", "group:2", "--json", "net.json"]
        assert main([*words, "--options", "0,4,8"]) == 0
        printed = capsys.readouterr()
        assert "examine (8 of 8): " in printed.err
        assert "mine:net: 91 numbers, " in printed.out
        assert "92.31 % of the numbers, in 2 weights, can be compressed" in printed.out
        title, conv, linear, granularities, group = table(printed.out)
        assert title == ["layer", "type", "shape", "weights", "share of all", "calls", "MACs", "share", "measured by"]
        assert conv == ["0", "Conv2d", "4 x 1 x 3 x 3", "36", "39.56 %", "1", "144", "75.00 %", "calls"]
        assert linear == ["3", "Linear", "3 x 16", "48", "52.75 %", "1", "48", "25.00 %", "calls"]
        assert granularities[:3] == ["granularity", "units", "variables"]
        # 4 pairs of channels; 3 options each, of which those of one unit do not interact.
        assert group[:6] == ["group:2", "4", "12", "54", "5.06 KiB", "matrix"]
        assert re.fullmatch(r"[\d.e-]+ s", group[7])
        assert "left alone: biases, norms and buffers, 28 bytes (" in printed.out
        assert "measurement on 30 samples with 2 backward passes each" in printed.out
        written = json.loads((folder / "net.json").read_text())
        assert (written["kind"], written["network"], written["options"]) == ("network", "mine:net", ["0", "4", "8"])
        assert written["granularities"][0]["variables"] == 12

    def test_with_the_shape_of_an_input(self, folder: Path, capsys: Printed) -> None:
        assert main(["inspect", "mine:net", "--input-shape", "1,4,4", "--calibration-size", "100", "--json", "-"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert [layer["macs"] for layer in found["layers"]] == [144, 48]
        assert found["samples"] == 75
        assert [each["granularity"] for each in found["granularities"]] == ["layer", "group:16", "channel"]
        assert folder

    def test_without_either(self, folder: Path, capsys: Printed) -> None:
        assert main(["inspect", "mine:net", "--weights", "good.safetensors"]) == 0
        printed = capsys.readouterr().out
        assert table(printed)[0] == ["layer", "type", "shape", "weights", "share of all"]
        assert table(printed)[-1][-3:] == ["-", "-", "-"]
        assert "add --calibration or --input-shape" in printed
        assert folder

    def test_a_network_of_the_zoo_brings_its_data(self, capsys: Printed) -> None:
        words = ["--calibration-size", "40", "--granularity", "layer", "--skip", "head"]
        assert main(["inspect", "zoo:mnist-cnn", *words, "--json", "-"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["samples"] == 30
        assert found["layers"][0]["macs"] == 14 * 14 * 16 * 25
        assert {each["name"]: each["reason"] for each in found["left_alone"]}["head"] == "skipped, as asked"

    def test_channels_that_share_their_options(self, folder: Path, capsys: Printed) -> None:
        words = ["--calibration", "images.npz", "--granularity", "coupled-channel"]
        assert main(["inspect", "mine:net", *words]) == 0
        assert table(capsys.readouterr().out)[-1][:3] == ["coupled-channel", "7", "42"]
        assert folder

    def test_what_is_too_large_is_said(self, folder: Path, capsys: Printed) -> None:
        words = ["--calibration", "images.npz", "--granularity", "channel", "--memory", "1e-6"]
        assert main(["inspect", "mine:net", *words]) == 0
        row = table(capsys.readouterr().out)[-1]
        assert (row[5], row[7]) == ("too large", "-")
        assert folder

    @pytest.mark.parametrize(
        ("words", "error", "text"),
        [
            (["nothing"], errors.OptionError, "'nothing' is neither a folder nor a file, nor a network"),
            (["mine:none"], errors.ModelError, "none"),
            (["mine:net", "--input-shape", "1,x"], errors.OptionError, "--input-shape takes lengths"),
            (["mine:net", "--input-shape", "1,0,4"], errors.OptionError, "--input-shape takes lengths"),
            (["mine:net", "--input-shape", "1,4"], errors.DataError, "does not take"),
            (
                ["mine:net", "--input-shape", "1,4,4", "--calibration", "images.npz"],
                errors.OptionError,
                "--input-shape is in place of --calibration",
            ),
            (["mine:net", "--granularity", "block"], errors.OptionError, "granularity 'block'"),
            (["mine:net", "--options", "0,x"], errors.OptionError, "'x' is not an option"),
            (["images.npz"], errors.FileFormatError, "images.npz: cannot be read as safetensors"),
            (["good.safetensors"], errors.FileFormatError, "not a network compressed by qubo-dnn"),
            (["."], errors.FileFormatError, "not the folder of a run"),
            ([".", "--skip", "a"], errors.OptionError, "--skip is for networks, and . is a folder"),
        ],
    )
    def test_mistakes_are_one_line(
        self, folder: Path, capsys: Printed, words: list[str], error: type[errors.QuboDnnError], text: str
    ) -> None:
        assert main(["inspect", *words]) == error.exit_code
        printed = capsys.readouterr()
        assert printed.out == ""
        assert text in printed.err.splitlines()[-1]
        assert folder


class TestRun:
    def test_a_folder_and_its_model(self, folder: Path, line: Callable[..., list[str]], capsys: Printed) -> None:
        assert (
            main(line("--test", "many.npz", "--rounds", "1", "--rerank", "1", "--skip", "first", budget="18bits")) == 0
        )
        written = capsys.readouterr().out
        assert main(["inspect", "out", "--json", "record.json"]) == 0
        printed = capsys.readouterr().out
        rows = dict(each[:2] for each in table(printed) if len(each) == 2)
        assert rows["network"] == "mine:net"
        assert rows["budget"] == "18 bits per weight"
        assert (rows["granularity"], rows["options"], rows["calibration"]) == (
            "group:2",
            "0, 2, 3, 4, 6, 8",
            "images.npz",
        )
        # What the run has printed, it prints again.
        assert set(written.splitlines()) - set(printed.splitlines()) == {"written to out"}
        assert "left alone: 0 (Conv2d), 160 bytes" in printed
        assert [each[:3] for each in table(printed) if each[1:2] == ["Linear"]] == [["3", "Linear", "3 x 16"]]
        assert "no test data" not in printed
        result = json.loads((folder / "out" / "result.json").read_text())
        assert f"model.safetensors: {result['compressed']['bytes']:,} bytes\n" in printed
        record = json.loads((folder / "record.json").read_text())
        assert (record["kind"], record["layers"]) == ("run", result["layers"])
        assert main(["inspect", "out/model.safetensors", "--json", "file.json"]) == 0
        file = json.loads((folder / "file.json").read_text())
        assert (file["kind"], file["layers"][0]["key"], file["layers"][0]["group"]) == ("model file", "3.weight", 2)
        assert table(capsys.readouterr().out)[1][:2] == ["3.weight", "3 x 16"]

    def test_names_in_a_record_change_nothing(self, capsys: Printed) -> None:
        layer = {
            **{"name": "[red]\x1b[31m", "kind": "<script>", "shape": [2, 3], "weights": 6, "widths": {"4": 2}},
            **{"bytes": 12, "activation_bits": 32, "predicted_share": None, "measured_share": None},
        }
        quality: dict[str, Any] = {"accuracy": None, "loss": None, "metric": None, "bytes": 100}
        figures: dict[str, Any] = {
            **{"network": "a:\x1b[2J", "formulation": None, "loss": None, "metric": None, "options": None},
            **{"granularity": None, "compensation": None, "calibration_size": None, "inputs": {"mask": "\n"}},
            **{"reference": quality, "predicted_loss_increase": None, "calibration_loss_increase": None},
            "compressed": {**quality, "bytes": 20, "divergence": None, "bits_per_weight": 4.0, "pruned_fraction": 0.0},
            **{"calibration_metric": (None, None), "held_out_divergence": {"bare": 0.1, "recovered": 0.1}},
            **{"recovery": [], "removal": None, "budgets": [], "reward": {"kind": "model"}, "certificate": None},
            **{"backend": "\x07", "seed": None, "variables": 1, "interactions": 0, "interrupted": True, "failed": None},
            **{"rounds": [{}], "warnings": ["[red]\x1b"], "coverage": 1.0, "layers": [layer], "left_alone": []},
            **{"seconds": {"total": 1.0}, "onnx": None},
        }
        print_record(RunRecord(Path("[red]"), figures, {"\x1b": 1}))
        out = capsys.readouterr().out
        assert out.isascii() or "\x1b" not in out
        assert not set(out) & {"\x1b", "\x07"}
        assert r"[red]\x1b[31m" in out
        assert r"warning: [red]\x1b" in out
        assert "<script>" in out
        assert "1 round, interrupted\n" in out

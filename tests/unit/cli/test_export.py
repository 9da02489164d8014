"""`qubo-dnn export`, and `compress --onnx`, as a user meets them."""

from __future__ import annotations

import json
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qubo_dnn as qd
from qubo_dnn import errors
from qubo_dnn.cli.main import main
from qubo_dnn.compression.export.checking import session
from qubo_dnn.compression.export.onnx_file import FORMS
from tests.unit.compression.export.conftest import translations  # noqa: F401 (a fixture)

Line = Callable[..., list[str]]
Failure = Callable[..., str]


@pytest.fixture
def run(folder: Path, line: Line, capsys: pytest.CaptureFixture[str]) -> Path:
    """The folder of a run."""
    assert main(line("--rounds", "1", "--backend", "tabu")) == 0
    capsys.readouterr()
    return folder / "out"


@pytest.fixture
def fewer(folder: Path) -> str:
    """Other images than those of the run."""
    images = np.load(folder / "images.npz")
    np.savez(folder / "fewer.npz", x=images["x"][1:])
    return "fewer.npz"


def figures(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main([*words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.usefixtures("run")
def test_a_run_knows_its_network_and_its_images(folder: Path, fewer: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = figures(capsys, "export", "out", "--onnx", "small.onnx")
    assert found["path"] == "small.onnx"
    assert found["bytes"] == (folder / "small.onnx").stat().st_size
    assert found["agreement"]["samples"] == 40
    assert found["agreement"]["largest"] < 1e-5
    fast = figures(capsys, "export", "out", "--onnx", "fast.onnx", "--form", "fast", "--calibration", fewer)
    assert fast["agreement"]["samples"] == 39
    assert fast["integer_operators"] == 2


def test_the_outputs_are_those_of_the_run(run: Path, folder: Path) -> None:
    import mine  # type: ignore[import-not-found]  # written by the fixture `folder`
    import torch

    network = mine.net()
    qd.load_compressed_(network, run / "model.safetensors")
    assert main(["export", "out", "--onnx", "small.onnx"]) == 0
    images = np.load(folder / "images.npz")["x"].transpose(0, 3, 1, 2).astype(np.float32) / 255
    (found,) = session(folder / "small.onnx").run(None, {"input": images})
    assert np.allclose(found, network(torch.from_numpy(images)).detach().numpy(), atol=1e-5)


@pytest.mark.usefixtures("run")
def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "out", "--onnx", "a.onnx", "--form", "fast"]) == 0
    said = capsys.readouterr().out.strip().splitlines()
    assert said[0].startswith("ONNX, fast: ")
    assert "times model.safetensors), opset 18, IR 8" in said[0]
    assert said[1].startswith("in onnxruntime, on 40 calibration samples: largest deviation ")
    assert said[1].endswith("%")
    assert said[2] == "2 of 2 convolutions and matrix products run in integers"
    assert said[-1] == "written to a.onnx"


def test_compress_exports_at_its_end(folder: Path, line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    words = line("--rounds", "1", "--backend", "tabu", "--onnx", "a.onnx", "--json")
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["onnx"]["bytes"] == (folder / "a.onnx").stat().st_size
    assert found["onnx"]["form"] == "small"
    again = figures(capsys, "export", "out", "--onnx", "b.onnx")
    assert (folder / "a.onnx").read_bytes() == (folder / "b.onnx").read_bytes()
    assert again["bytes"] == found["onnx"]["bytes"]


def test_a_network_that_cannot_be_exported_is_compressed_all_the_same(
    folder: Path, line: Line, capsys: pytest.CaptureFixture[str]
) -> None:
    words = line("--rounds", "1", "--backend", "tabu", "--onnx", "a.onnx", network="mine:branching")
    assert main(words) == errors.ModelError.exit_code
    said = capsys.readouterr()
    assert "written to out\n" in said.out
    assert said.err.splitlines()[-1].startswith("error: the module '3' (Branch) cannot be exported to ONNX: ")
    assert (folder / "out" / "result.json").is_file()
    assert not (folder / "a.onnx").exists()


def test_several_inputs_and_outputs(folder: Path, line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    sequence, image = rng.normal(size=(6, 20, 5)), rng.normal(size=(20, 1, 4, 4))
    np.savez(folder / "named.npz", sequence=sequence, image=image, valid=np.ones((20, 6), bool))
    words = ("--batch-axis", "sequence=1", "--mask", "valid", "--output", "tokens", "--loss", "squared-error")
    more = ("--rounds", "1", "--backend", "tabu", "--json", "--onnx", "a.onnx")
    assert main(line(*words, *more, network="mine:several", calibration="named.npz")) == 0
    capsys.readouterr()
    assert figures(capsys, "export", "out", "--onnx", "b.onnx")["agreement"]["largest"] < 1e-5
    for name in ("a.onnx", "b.onnx"):
        running = session(folder / name)
        assert [(each.name, each.shape) for each in running.get_inputs()] == [
            ("sequence", [6, "batch", 5]),
            ("image", ["batch", 1, 4, 4]),
        ]
        assert [each.name for each in running.get_outputs()] == ["tokens", "whole"]


class TestRefusals:
    @pytest.mark.usefixtures("run")
    def test_places_and_forms(self, failure: Failure) -> None:
        export = ["export", "out", "--onnx"]
        assert "nowhere is not a folder" in failure(errors.OutputError, [*export, "nowhere/a.onnx"])
        assert "did you mean 'small'" in failure(errors.OptionError, [*export, "a.onnx", "--form", "smal"])

    def test_compress_refuses_before_it_works(self, failure: Failure, line: Line) -> None:
        said = failure(errors.OutputError, line("--onnx", "nowhere/a.onnx"))
        assert said == "error: nowhere/a.onnx cannot be written: nowhere is not a folder one may write to"

    def test_a_folder_that_is_not_of_a_run(self, failure: Failure) -> None:
        said = failure(errors.FileFormatError, ["export", "nothing", "--onnx", "a.onnx"])
        assert said == "error: nothing: not the folder of a run: it has no result.json"

    @pytest.mark.parametrize(
        ("content", "fault"),
        [
            ("{", "cannot be read as JSON"),
            ("[]", "does not name a network"),
            ('{"network": 3}', "does not name a network"),
        ],
    )
    def test_a_damaged_result(self, content: str, fault: str, run: Path, failure: Failure) -> None:
        (run / "result.json").write_text(content)
        assert fault in failure(errors.FileFormatError, ["export", "out", "--onnx", "a.onnx"])

    def test_damaged_inputs(self, run: Path, failure: Failure) -> None:
        (run / "result.json").write_text('{"network": "mine:net", "inputs": {"mean": 3}}')
        assert "its inputs are not words" in failure(errors.FileFormatError, ["export", "out", "--onnx", "a.onnx"])

    @pytest.mark.parametrize(
        ("budgets", "fault"),
        [
            ("3", "its budgets are not records"),
            ("[3]", "its budgets are not records"),
            ('[{"limit": 3}]', "its budgets are not records"),
            ('[{"name": "latency", "share_of_float": "half"}]', "the predicted latency is 'half'"),
            ('[{"name": "latency", "share_of_float": NaN}]', "the predicted latency is nan"),
        ],
    )
    def test_damaged_budgets(self, budgets: str, fault: str, run: Path, failure: Failure) -> None:
        (run / "result.json").write_text(f'{{"network": "mine:net", "budgets": {budgets}}}')
        assert fault in failure(errors.FileFormatError, ["export", "out", "--onnx", "a.onnx"])

    def test_damaged_codes(self, run: Path, failure: Failure) -> None:
        whole = (run / "model.safetensors").read_bytes()
        (run / "model.safetensors").write_bytes(whole[:-9])
        said = failure(errors.FileFormatError, ["export", "out", "--onnx", "a.onnx"])
        assert "out/model.safetensors: cannot be read as safetensors" in said

    @pytest.mark.usefixtures("run")
    def test_another_network(self, failure: Failure) -> None:
        words = ["export", "out", "--onnx", "a.onnx", "--network", "mine:several"]
        assert "the keys are not the model's" in failure(errors.ModelError, words)

    def test_a_run_in_python_does_not_say_where_its_network_is(self, run: Path, failure: Failure) -> None:
        (run / "result.json").write_text('{"network": "Sequential"}')
        said = failure(errors.OptionError, ["export", "out", "--onnx", "a.onnx"])
        assert said.endswith("it is a Sequential: add --network package.module:factory")
        words = ["export", "out", "--onnx", "a.onnx", "--network", "mine:net"]
        assert "no calibration images" in failure(errors.DataError, words)


RUN_ALONE = """
import sys, numpy, onnxruntime
running = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
images = numpy.load(sys.argv[2])
for size in (1, 40):
    numpy.save(sys.argv[3] + f"/{size}.npy", running.run(None, {"input": images[:size]})[0])
for module in ("torch", "onnx", "qubo_dnn"):
    try:
        __import__(module)
    except ImportError:
        continue
    sys.exit(f"{module} is there")
"""


@pytest.mark.slow
@pytest.mark.usefixtures("run")
def test_files_run_where_there_is_nothing_but_onnxruntime(folder: Path) -> None:
    venv.create(folder / "fresh", with_pip=True)
    python = str(folder / "fresh" / "bin" / "python")
    constraints = str(Path(__file__).parents[3] / "constraints.txt")
    install = [python, "-m", "pip", "install", "--quiet", "-c", constraints, "onnxruntime", "numpy"]
    subprocess.run(install, check=True, capture_output=True)
    images = np.load(folder / "images.npz")["x"].transpose(0, 3, 1, 2).astype(np.float32) / 255
    np.save(folder / "images.npy", images)
    for form in FORMS:
        assert main(["export", "out", "--onnx", f"{form}.onnx", "--form", form]) == 0
        words = [python, "-I", "-c", RUN_ALONE, f"{form}.onnx", "images.npy", "."]
        alone = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        assert alone.returncode == 0, alone.stderr
        (here,) = session(folder / f"{form}.onnx").run(None, {"input": images})
        assert np.allclose(np.load(folder / "40.npy"), here, atol=1e-6)
        assert np.allclose(np.load(folder / "1.npy"), here[:1], atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_activations_take_the_bits_of_the_file(
    form: str, folder: Path, line: Line, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ("--rounds", "1", "--backend", "tabu", "--onnx", "a.onnx", "--onnx-form", form)
    found = figures(capsys, *line(*quick))
    plan = json.loads((folder / "out" / "plan.json").read_text())
    said = [note for note in found["onnx"]["notes"] if "activations take 8 bits in the compressed" in note]
    if form == "small":
        assert "activations" not in plan
        assert not said
        return
    assert set(plan["activations"].values()) == {8}
    assert len(said) == 1
    for asked, widths in (("32", None), ("6", {6})):
        found = figures(capsys, *line(*quick, "--activations", asked, "--overwrite"))
        plan = json.loads((folder / "out" / "plan.json").read_text())
        used = {bits for bits in plan.get("activations", {}).values() if bits != 32} or None
        assert used == widths
        assert not any("in the compressed network too" in note for note in found["onnx"]["notes"])

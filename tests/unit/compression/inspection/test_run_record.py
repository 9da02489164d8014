"""The folder of a compression, and the file of its network, read without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import qubo_dnn as qd
from qubo_dnn.cli.common.inspection import print_record
from qubo_dnn.compression.inspection.model_file import read_model_file
from qubo_dnn.compression.inspection.run_record import read_record
from qubo_dnn.errors import FileFormatError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run in Python, without test data."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3), nn.Embedding(2, 2, max_norm=1)
    )
    network[4].forward = lambda x: x  # its weight is not used
    settings: dict[str, Any] = {"rounds": 1, "rerank": 1, "activations": 8}
    done = qd.compress(network, torch.randn(24, 1, 4, 4), "6bits:weights", backend="steepest-descent", **settings)
    return done.save(tmp_path_factory.mktemp("runs") / "run")


def changed(run: Path, folder: Path, **changes: Any) -> Path:
    """A folder with some entries of result.json changed."""
    (folder / "result.json").write_text(json.dumps(json.loads((run / "result.json").read_text()) | changes))
    return folder


def test_the_record_is_what_the_run_has_written(run: Path) -> None:
    record, result = read_record(run), json.loads((run / "result.json").read_text())
    assert {name: record.figures[name] for name in result} == result
    assert not record.was_tested
    assert record.figures["options"] is None  # runs in Python say less of what was asked
    assert list(record.files) == ["model.safetensors", "plan.json", "result.json"]
    assert record.files["model.safetensors"] == result["compressed"]["bytes"]
    assert record.to_dict()["folder"] == str(run)


def test_a_run_with_test_data_was_tested(run: Path, tmp_path: Path) -> None:
    tested = json.loads((run / "result.json").read_text())["compressed"] | {"divergence": 0.5}
    assert read_record(changed(run, tmp_path, compressed=tested)).was_tested


def test_the_onnx_file_of_a_run_is_shown(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = {
        **{"path": "a.onnx", "form": "fast", "bytes": 500, "share": 0.25, "opset": 18, "ir_version": 8},
        **{"integer_operators": 2, "float_operators": 1, "notes": ["a note"], "predicted": None},
        "agreement": {"samples": 24, "largest": 0.5, "mean": 0.1, "scale": 3.0, "equal_top1": 1.0},
        "latency": {"before": 2.0, "after": 1.0, "speedup": 2.0, "share": 0.5},
    }
    print_record(read_record(changed(run, tmp_path, onnx=file)))
    shown = capsys.readouterr().out
    assert "ONNX, fast: 500 bytes (25.00 % of the fp32 ONNX file, " in shown
    assert "2 ms in float32, 1 ms now, 2.00 times as fast\n" in shown
    with pytest.raises(FileFormatError, match=r"damaged: onnx\.latency: "):
        read_record(changed(run, tmp_path, onnx={**file, "latency": None}))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"layers": None}, "layers: "),
        ({"layers": [{"name": 3}]}, "layers.0.name: "),
        ({"reference": {"accuracy": None, "loss": None, "metric": None, "bytes": 0}}, "reference.bytes: "),
        ({"network": ["a"]}, "network: "),
        ({"warnings": "one"}, "warnings: "),
        ({"reward": {"kind": "measured"}}, "reward."),
    ],
)
def test_a_damaged_result_is_refused(run: Path, tmp_path: Path, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(FileFormatError, match=f"damaged: {text}"):
        read_record(changed(run, tmp_path, **changes))


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"it has no result\.json"):
        read_record(tmp_path)
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(FileFormatError, match="cannot be read as JSON"):
        read_record(tmp_path)
    (tmp_path / "result.json").write_text("[]")
    with pytest.raises(FileFormatError, match="damaged"):
        read_record(tmp_path)


def test_the_header_of_the_model_says_what_the_record_says(run: Path) -> None:
    file, layers = read_model_file(run / "model.safetensors"), read_record(run).figures["layers"]
    assert [(each.key, list(each.shape), each.weights, each.bytes, each.activation_bits) for each in file.layers] == [
        (f"{each['name']}.weight", each["shape"], each["weights"], each["bytes"], each["activation_bits"])
        for each in layers
    ]
    assert [each.group for each in file.layers] == [1, 1]
    assert file.layers[0].bits_per_weight == 8 * layers[0]["bytes"] / layers[0]["weights"]
    assert file.others == {"0.bias": 16, "3.bias": 12, "4.weight": 16}
    assert (file.version, file.bytes) == (3, (run / "model.safetensors").stat().st_size)
    assert file.to_dict()["layers"][1]["weights"] == 48


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"")
    with pytest.raises(FileFormatError, match="cannot be read as safetensors"):
        read_model_file(path)
    path.write_bytes((1 << 62).to_bytes(8, "little") + b"{}")
    with pytest.raises(FileFormatError, match="cannot be read as safetensors"):
        read_model_file(path)
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(FileFormatError, match="not a network compressed by qubo-dnn"):
        read_model_file(path)
    for about, text in (
        ({"version": 9, "layers": {}, "tied": {}}, "written in version 9"),
        ({"version": 2, "layers": {"gone.weight": [1, 0, 2]}, "tied": {}}, "damaged"),
        ({"version": 2, "layers": {"weight": [1, 0, 0]}, "tied": {}}, "damaged"),
        ({"version": 2, "layers": {"weight": "abc"}, "tied": {}}, "damaged"),
        ({"version": 2, "layers": [], "tied": {}}, "damaged"),
        ([], "damaged"),
    ):
        save_file({"weight": torch.zeros(2)}, path, {"qubo-dnn": json.dumps(about)})
        with pytest.raises(FileFormatError, match=text):
            read_model_file(path)
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_model_file(tmp_path)


def test_nothing_of_a_folder_needs_torch(run: Path) -> None:
    code = (
        "import sys\nfrom qubo_dnn.cli.main import main\n"
        f"assert main(['inspect', {str(run)!r}]) == 0\n"
        f"assert main(['inspect', {str(run / 'model.safetensors')!r}]) == 0\n"
        "assert not {'torch', 'safetensors', 'dimod', 'numba'} & set(sys.modules), 'loaded'"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "no test data were given" in ended.stdout

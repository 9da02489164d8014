"""Networks that ONNX cannot hold are refused in one line, which names the module."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.export.onnx_file import export_onnx
from qubo_dnn.compression.task.options import Option
from qubo_dnn.errors import MissingExtraError, ModelError, OptionError, OutputError, QuboDnnError
from tests.unit.compression.export.networks import codes_of


@torch.library.custom_op("qubo_dnn_tests::twice", mutates_args=())
def twice(x: Tensor) -> Tensor:
    """An operation that ONNX does not have."""
    return x * 2


@twice.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


class Own(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        doubled: Tensor = twice(x)
        return doubled


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Leaving(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor(json.loads(json.dumps(x.tolist())))


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            raise ValueError("not here\nand a second line")
        return x


class FixedBatch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(2, -1)


def around(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), module))


def refusal(network: nn.Module, path: Path, error: type[QuboDnnError] = ModelError, form: str = "small") -> str:
    """The one line that refuses it; nothing is written."""
    samples = Data.from_tensors(torch.ones(2, 4))
    with pytest.raises(error) as raised:
        export_onnx(path, network, codes_of(network, [Option(4)]), samples, form)
    assert not path.exists()
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400
    return str(raised.value)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (Own(), "No ONNX function found for <OpOverload(op='qubo_dnn_tests.twice'"),
        (Branching(), "data-dependent expression"),
        (Leaving(), "JSON"),
        (Failing(), "ValueError: not here"),
    ],
)
def test_the_module_is_named_with_the_reason(module: nn.Module, reason: str, tmp_path: Path) -> None:
    said = refusal(around(module), tmp_path / "a.onnx")
    assert said.startswith(f"the module '1.1' ({type(module).__name__}) cannot be exported to ONNX: ")
    assert reason in said


def test_a_fixed_batch_is_refused(tmp_path: Path) -> None:
    said = refusal(around(FixedBatch()), tmp_path / "a.onnx")
    assert said.startswith("the network (Sequential) cannot be exported to ONNX")
    assert said.endswith(": its code fixes the number of samples")


class Counting(nn.Module):
    """`len` of a tensor is a plain number where Python runs the code."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.ones(1, 4))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.token.expand(len(x), -1)


class Numpy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(x.detach().numpy() * 2)


@pytest.mark.parametrize("module", [Counting(), Numpy()])
def test_code_that_python_cannot_trace_is_read_by_torch(module: nn.Module, tmp_path: Path) -> None:
    network = around(module)
    samples = Data.from_tensors(torch.arange(12.0).reshape(3, 4))
    file = export_onnx(tmp_path / "a.onnx", network, codes_of(network, [Option(4)]), samples)
    assert file.agreement.samples == 3
    assert file.agreement.relative < 1e-6


def test_nothing_but_the_error_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Torch prints the graph up to a branch that depends on data."""
    refusal(around(Branching()), tmp_path / "a.onnx")
    assert capfd.readouterr() == ("", "")


def test_wrong_places_and_forms_are_refused_at_once(tmp_path: Path) -> None:
    network = around(nn.Identity())
    assert "is not a folder" in refusal(network, tmp_path / "nowhere" / "a.onnx", OutputError)
    assert "did you mean 'fast'" in refusal(network, tmp_path / "a.onnx", OptionError, form="fats")
    with pytest.raises(OutputError, match="it is a folder"):
        export_onnx(tmp_path, network, {}, Data.from_tensors(torch.ones(2, 4)))


def test_one_sample_is_too_few(tmp_path: Path) -> None:
    network = around(nn.Identity())
    with pytest.raises(OptionError, match="at least two"):
        export_onnx(tmp_path / "a.onnx", network, codes_of(network, [Option(4)]), Data.from_tensors(torch.ones(1, 4)))


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    network = around(nn.Identity())
    said = refusal(network, tmp_path / "a.onnx", MissingExtraError)
    assert said.startswith("onnxscript ")
    assert said.endswith("run: pip install 'qubo-dnn[onnx]'")

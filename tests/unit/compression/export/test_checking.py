"""A file that does not do what the network does is found out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.export.checking import Agreement, agreement, check_form, session
from qubo_dnn.compression.export.onnx_file import export_onnx
from qubo_dnn.compression.export.tracing import trace
from qubo_dnn.errors import ModelError


def graph(*nodes: Any, outputs: int = 3) -> bytes:
    """A file that maps x [batch, 3] to y."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", outputs])
    model = helper.make_model(
        helper.make_graph(nodes, "g", [x], [y]), opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    )
    content: bytes = model.SerializeToString()
    return content


class Computing(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def compared(content: bytes, function: Callable[[Tensor], Tensor], *rows: list[float]) -> Agreement:
    given = Inputs({0: torch.tensor(rows)})
    return agreement(session(content), Computing(function), [given[:1], given[1:]], ["x"])


NEGATED = graph(helper.make_node("Neg", ["x"], ["y"]))


def test_deviations_are_measured_over_all_samples() -> None:
    found = compared(NEGATED, lambda x: -x + torch.tensor([0.0, 0.0, 0.5]), [1.0, 2.0, 3.0], [-4.0, -1.0, 0.0])
    assert found == Agreement(samples=2, largest=0.5, mean=0.5 / 3, scale=4.0, equal_top1=1.0)
    assert found.relative == 0.125


def test_equal_top1_is_the_share_of_samples_with_the_same_largest_entry() -> None:
    assert compared(NEGATED, torch.abs, [1.0, 2.0, 3.0], [-4.0, -1.0, 0.0]).equal_top1 == 0.5


def test_equal_infinities_are_no_deviation() -> None:
    found = compared(NEGATED, lambda x: -x, [torch.inf, torch.nan, 3.0], [1.0, -torch.inf, 0.0])
    assert (found.largest, found.scale) == (0.0, 3.0)


def test_outputs_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ModelError, match="not finite"):
        compared(graph(helper.make_node("Log", ["x"], ["y"])), torch.abs, [1.0, 2.0, -3.0], [1.0, 1.0, 1.0])


def test_another_shape_is_refused() -> None:
    with pytest.raises(ModelError, match=r"output of shape \(1, 3\), and the network one of \(1, 1\)"):
        compared(NEGATED, lambda x: x[:, :1], [1.0, 2.0, 3.0], [1.0, 1.0, 1.0])


def test_samples_that_the_file_does_not_take_are_refused_in_a_line() -> None:
    with pytest.raises(ModelError, match="onnxruntime does not run 1 samples: ") as raised:
        compared(NEGATED, lambda x: x, [1.0, 2.0], [1.0, 1.0])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"not a file of ONNX", NEGATED[:-20]])
def test_a_damaged_file_is_refused_in_a_line(content: bytes) -> None:
    with pytest.raises(ModelError, match="onnxruntime does not load the ONNX file: ") as raised:
        session(content)
    assert "\n" not in str(raised.value)


def test_a_graph_with_a_wrong_shape_does_not_pass() -> None:
    check_form(onnx.load_from_string(NEGATED))
    with pytest.raises(ModelError, match="does not pass onnx's checker"):
        check_form(onnx.load_from_string(graph(helper.make_node("Neg", ["x"], ["y"]), outputs=4)))


def test_a_small_file_that_deviates_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 3))
    monkeypatch.setattr("qubo_dnn.compression.export.onnx_file.trace", _of_another_network(trace))
    with pytest.raises(ModelError, match="outputs of the ONNX file differ from those of the network by up to 1"):
        export_onnx(tmp_path / "a.onnx", network, {}, Data.from_tensors(torch.randn(4, 4)))
    assert list(tmp_path.iterdir()) == []


def _of_another_network(original: Callable[..., Any]) -> Callable[..., Any]:
    """Stands for a fault of the exporter: biases are larger by one."""

    def wrong(network: nn.Sequential, *more: Any) -> Any:
        other = copy.deepcopy(network)
        other.get_parameter("0.bias").data += 1.0
        return original(other, *more)

    return wrong

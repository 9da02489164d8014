"""Channels are filled up to fours, and activations are padded as integers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.export.onnx_file import OnnxFile, export_onnx
from qubo_dnn.compression.task.options import Option
from tests.unit.compression.export.networks import codes_of


def exported(network: nn.Module, inputs: Tensor, folder: Path) -> tuple[OnnxFile, Any, dict[str, np.ndarray[Any, Any]]]:
    """The file in integers, its graph, and its constants."""
    file = export_onnx(
        folder / "a.onnx", network.eval(), codes_of(network, [Option(4)]), Data.from_tensors(inputs), "fast"
    )
    graph = onnx.load(str(file.path)).graph
    return file, graph, {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def shapes_of_weights(graph: Any, constants: dict[str, np.ndarray[Any, Any]]) -> list[tuple[int, ...]]:
    """Of the convolutions, in order."""
    makers = {name: node for node in graph.node for name in node.output}
    return [constants[makers[node.input[1]].input[0]].shape for node in graph.node if node.op_type == "Conv"]


def pads_in_integers(graph: Any) -> list[bool]:
    """Whether the paddings read integers, in order."""
    makers = {name: node.op_type for node in graph.node for name in node.output}
    return [makers[node.input[0]] != "DequantizeLinear" for node in graph.node if node.op_type == "Pad"]


@pytest.mark.parametrize(
    ("convolution", "shape"),
    [
        (nn.Conv2d(3, 16, 3, padding=1), (16, 4, 3, 3)),
        (nn.Conv2d(5, 20, 1, bias=False), (20, 8, 1, 1)),
        (nn.Conv1d(1, 32, 5), (32, 4, 5)),
        (nn.Conv2d(4, 16, 3), (16, 4, 3, 3)),
        (nn.Conv2d(3, 12, 3), (12, 3, 3, 3)),  # fewer outputs than fit
        (nn.Conv2d(3, 18, 3), (18, 3, 3, 3)),  # not in fours
        (nn.Conv2d(6, 18, 3, groups=3), (18, 2, 3, 3)),
    ],
    ids=str,
)
def test_input_channels_come_in_fours(convolution: nn.Module, shape: tuple[int, ...], tmp_path: Path) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(20, int(convolution.in_channels), *[8] * (len(shape) - 2))  # type: ignore[arg-type]
    file, graph, constants = exported(nn.Sequential(convolution, nn.ReLU()), inputs, tmp_path)
    assert shapes_of_weights(graph, constants) == [shape]
    assert pads_in_integers(graph) == [True] * (shape != tuple(convolution.get_parameter("weight").shape))
    assert (file.integer_operators, file.float_operators) == (1, 0)
    assert 0.0 < file.agreement.relative < 0.03


def test_two_convolutions_of_one_input_share_the_padding(tmp_path: Path) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.a, self.b = nn.Conv2d(3, 16, 3), nn.Conv2d(3, 16, 3)

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.a(x)) + torch.relu(self.b(x))

    file, graph, constants = exported(Two(), torch.randn(20, 3, 6, 6), tmp_path)
    assert shapes_of_weights(graph, constants) == [(16, 4, 3, 3)] * 2
    assert pads_in_integers(graph) == [True]
    assert file.agreement.relative < 0.03


class Padded(nn.Module):
    """Pads what a convolution gives, in a given way."""

    def __init__(self, mode: str, value: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(4, 16, 3), nn.Conv2d(20 if mode == "constant" else 16, 16, 3)
        self.mode, self.value = mode, value

    def forward(self, x: Tensor) -> Tensor:
        # Not after a ReLU, so that the integer of zero is not 0; zeros around the image become the convolution's own.
        widths, value = ((0, 0, 1, 0, 3, 1), self.value) if self.mode == "constant" else ((1, 2, 0, 1), None)
        x = F.pad(self.first(x), widths, self.mode, value)
        y: Tensor = self.second(x)
        return y


@pytest.mark.parametrize(
    ("mode", "value"),
    [("constant", 0.0), ("constant", 0.7), ("reflect", 0.0)],
    ids=["zeros", "a number", "reflect"],
)
def test_activations_are_padded_as_integers(mode: str, value: float, tmp_path: Path) -> None:
    file, graph, _ = exported(Padded(mode, value), torch.randn(40, 4, 8, 8), tmp_path)
    assert pads_in_integers(graph) == [True]
    assert 0.0 < file.agreement.relative < 0.04

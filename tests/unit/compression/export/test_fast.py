"""Fast files run in integers, with the weights of the plan where they fit, and say where they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.export.integer_weights import integer_weight
from qubo_dnn.compression.export.onnx_file import export_onnx
from qubo_dnn.compression.network.weight_layout import Layout
from qubo_dnn.compression.quantization.grid import limits, offsets
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize
from qubo_dnn.compression.task.options import Option, parse_options
from tests.unit.compression.export.conftest import Exported
from tests.unit.compression.export.networks import Residual, codes_of, with_codes


def every_code(bits: int) -> Quantized:
    """A channel per offset code, each with all the codes of a width."""
    low, high = limits(bits)
    shifts, codes = len(offsets(bits)), np.arange(low, high + 1, dtype=np.int8)
    return Quantized(
        layout=Layout((shifts, len(codes))),
        base=1.5,
        bits=torch.full((shifts,), bits, dtype=torch.uint8),
        scale_codes=torch.arange(shifts, dtype=torch.uint8),
        offset_codes=torch.arange(shifts, dtype=torch.uint8),
        kept=torch.ones(shifts, len(codes), dtype=torch.bool),
        codes=torch.from_numpy(np.tile(codes, (shifts, 1))),
        floats=torch.zeros(0, len(codes)),
    )


@pytest.mark.parametrize("bits", range(1, 9))
def test_every_grid_of_up_to_seven_bits_is_exact_and_eight_bits_are_within_half_a_step(bits: int) -> None:
    quantized = every_code(bits)
    weight, wanted = integer_weight(quantized), dequantize(quantized).numpy()
    assert weight.rounded.any() == (bits == 8)
    assert np.abs(weight.codes.astype(int)).max() <= (63 if bits < 7 else 127)
    exact = ~weight.rounded
    assert np.allclose(weight.rows()[exact], wanted[exact], rtol=1e-6, atol=0)
    assert (np.abs(weight.rows() - wanted) <= 0.5001 * weight.scale[:, None]).all()


def dequantized(path: Path) -> dict[str, NDArray[np.float32]]:
    """Name -> weight of every product in a file, with its channels first."""
    graph = onnx.load(str(path)).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {node.output[0]: node for node in graph.node}
    found = {}
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            codes, scale, zero = (constants[name] for name in makers[node.input[1]].input)
            assert codes.dtype == np.int8
            assert not zero.any()
            codes = codes.T if node.op_type == "MatMul" else codes
            found[makers[node.input[1]].input[0]] = codes * scale.reshape(-1, *[1] * (codes.ndim - 1))
    return found


def test_weights_are_those_of_the_plan_with_batch_norms_folded_in(tmp_path: Path) -> None:
    network = Residual()
    codes = codes_of(network, parse_options("4,0,2,3,5,6"))
    samples = Data.from_tensors(torch.randn(8, 2, 8, 8, generator=torch.Generator().manual_seed(3)))
    file = export_onnx(tmp_path / "a.onnx", network, codes, samples, "fast", remove=False)
    assert file.notes == ()
    found = list(dequantized(tmp_path / "a.onnx").values())
    with_codes(network, codes)
    layers = {"stem": network.bn1, "body": network.bn2, "hidden": None, "tokens": None, "head": None}
    for weight, (name, norm) in zip(found, layers.items(), strict=True):
        wanted = network.get_parameter(f"{name}.weight").detach()
        if norm is not None:
            factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)  # type: ignore[arg-type,operator]
            wanted = wanted * factor.detach()[:, None, None, None]
        assert np.allclose(weight, wanted.numpy(), rtol=1e-5, atol=1e-8)


def test_everything_runs_in_integers_and_comes_near_the_network(residual: Exported) -> None:
    file = residual.file
    assert (file.integer_operators, file.float_operators) == (5, 0)
    assert (file.opset, file.ir_version) == (18, 8)
    assert 0.0 < file.agreement.relative < 0.05
    assert file.agreement.mean < 0.01 * file.agreement.scale


def test_what_does_not_fit_is_stated(residual: Exported) -> None:
    rounded, narrow = residual.file.notes
    count, _, rest = rounded.partition(" ")
    assert 0 < int(count) <= sum(int((codes.bits >= 8).sum()) for codes in residual.codes.values())
    assert rest.startswith("of 55 channels do not fit signed 8 bits")
    assert narrow.startswith("5 activations take 7 bits")


@pytest.mark.parametrize(("bits", "form", "step"), [(4, "fast", 1), (8, "fast", 2), (8, "fast-vnni", 1)])
def test_products_saturate_only_where_they_may(bits: int, form: str, step: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU())
    images = torch.rand(20, 1, 4, 4)
    images[0, 0, 0, 0] = 1.0
    file = export_onnx(tmp_path / "a.onnx", network, codes_of(network, [Option(bits)]), Data.from_tensors(images), form)
    graph = onnx.load(str(file.path)).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    first = next(node for node in graph.node if node.op_type == "QuantizeLinear")
    scale, zero = (constants[name] for name in first.input[1:])
    assert zero == 0
    assert scale == pytest.approx(step / 255)
    largest = max(
        np.abs(each).max() for each in (tensor.astype(int) for tensor in constants.values()) if each.ndim == 4
    )
    assert (2 * largest * np.round(1.0 / scale) <= 32767) == (form == "fast")
    assert any("7 bits" in note for note in file.notes) == (step == 2)


def test_what_integers_cannot_compute_stays_floating(tmp_path: Path) -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.table, self.up, self.head = nn.Embedding(9, 4), nn.ConvTranspose1d(4, 4, 3), nn.Linear(4, 3)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.head(self.up(self.table(tokens).movedim(2, 1)).mean(2))
            return found

    samples = Data.from_tensors(torch.arange(12).reshape(4, 3) % 9)
    network = Mixed()
    file = export_onnx(tmp_path / "a.onnx", network, codes_of(network, [Option(2)]), samples, "fast")
    assert file.notes == ("computed in floating-point numbers: table.weight, up.weight",)
    assert file.integer_operators == 1
    assert file.opset == 25
    assert file.agreement.relative < 0.02


def test_a_network_without_products_in_integers_says_so(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Embedding(9, 4))
    samples = Data.from_tensors(torch.arange(12).reshape(4, 3) % 9)
    file = export_onnx(tmp_path / "a.onnx", network, codes_of(network, [Option(4)]), samples, "fast")
    assert file.notes[-1] == "no convolution or matrix product runs in integers"
    assert file.agreement.largest == 0.0


@pytest.mark.parametrize("bits", [4, 8])
def test_activations_are_clipped_where_the_network_clips_them(bits: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 8, 3), nn.ReLU6(), nn.MaxPool2d(2), nn.Conv2d(8, 3, 3))
    images = 30 * torch.randn(20, 2, 8, 8)
    codes = codes_of(network, [Option(bits)])
    file = export_onnx(tmp_path / "a.onnx", network, codes, Data.from_tensors(images), "fast")
    with_codes(network, codes)
    assert (network[0](images) > 6).float().mean() > 0.2
    assert file.integer_operators == 2
    assert file.agreement.relative < 0.05
    graph = onnx.load(str(file.path)).graph
    assert ("Clip" in {node.op_type for node in graph.node}) == (bits == 8)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    scales = [float(constants[node.input[1]]) for node in graph.node if node.op_type == "QuantizeLinear"]
    # What is clipped to 6 takes all of the levels, or half of them.
    assert any(np.isclose(scale, 6 / 255 * (2 if bits == 8 else 1)) for scale in scales)

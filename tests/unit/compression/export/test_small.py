"""Small files have the very weights of the plan, whatever reads them, and cost about as much as ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.data.inputs import Interface
from qubo_dnn.compression.export.checking import agreement, session
from qubo_dnn.compression.export.onnx_file import export_onnx
from qubo_dnn.compression.export.small import close_weights
from qubo_dnn.compression.network.weight_layout import Layout
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize, quantize
from qubo_dnn.compression.task.options import Option, parse_options
from tests.unit.compression.export.conftest import Exported
from tests.unit.compression.export.networks import EVERY_WIDTH, WITH_MASKS, codes_of


def computed(codes: Quantized, opset: int = 25) -> np.ndarray:
    """The weight that onnxruntime computes from what the file holds."""
    shape = list(codes.layout.shape)
    weight = onnx.helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, shape)
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, shape)
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["w"], ["y"])], "g", [weight], [result])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=10)
    close_weights(model, {"w": "key"}, {"key": codes})
    onnx.checker.check_model(model, full_check=True)
    found: np.ndarray = session(model.SerializeToString()).run(None, {})[0]
    return found


@pytest.mark.parametrize(
    "options", [EVERY_WIDTH, WITH_MASKS, parse_options("0"), parse_options("3"), parse_options("0,4")]
)
@pytest.mark.parametrize("layout", [Layout((10, 3, 3)), Layout((7, 5)), Layout((4, 3, 2, 3), transposed=2)])
def test_a_weight_has_the_bits_that_it_has_in_torch(options: tuple[Option, ...], layout: Layout) -> None:
    weight = torch.randn(layout.shape, generator=torch.Generator().manual_seed(4))
    codes = quantize(weight, [options[row % len(options)] for row in range(layout.channels)], layout=layout)
    assert np.array_equal(computed(codes), dequantize(codes).numpy())


def test_outputs_of_every_kind_of_layer_agree(every_layer: Exported) -> None:
    found = every_layer.file.agreement
    assert found.samples == 7
    assert found.scale > 0.5
    assert 0.0 <= found.relative < 1e-5
    assert found.equal_top1 == 1.0
    assert every_layer.file.notes == ()


def test_the_batch_is_dynamic_and_names_are_kept(every_layer: Exported) -> None:
    running = session(every_layer.file.path)
    assert [value.name for value in running.get_inputs()] == ["image", "tokens"]
    assert [value.name for value in running.get_outputs()] == ["classes", "words", "best"]
    assert [value.shape[0] for value in running.get_inputs()] == ["batch", "batch"]
    for size in (1, 2, 7):
        inputs = next(every_layer.samples.batches(size))[0]
        assert agreement(running, every_layer.network, [inputs], ["image", "tokens"]).relative < 1e-5


def test_no_compressed_weight_is_left_in_floats_and_a_shared_one_is_stored_once(every_layer: Exported) -> None:
    graph = onnx.load(str(every_layer.file.path)).graph
    floats = [tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]
    assert max(np.prod(tensor.dims) for tensor in floats) == 80  # both biases of both directions of the LSTM
    stored = sum(np.prod(tensor.dims) for tensor in graph.initializer if tensor.data_type in (3, 22, 26))
    assert stored == sum(
        int((~codes.plain & (codes.bits > 0)).sum()) * codes.codes.shape[1] for codes in every_layer.codes.values()
    )


@pytest.mark.parametrize(
    ("bits", "opset", "ir", "stored"), [(2, 25, 13, 2), (3, 21, 10, 4), (4, 21, 10, 4), (6, 18, 8, 8)]
)
def test_sizes_and_versions_are_as_low_as_the_types_allow(
    bits: int, opset: int, ir: int, stored: int, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(300, 100))
    samples = Data.from_tensors(torch.randn(3, 300))
    file = export_onnx(tmp_path / "a.onnx", network, codes_of(network, [Option(bits)]), samples)
    assert (file.opset, file.ir_version) == (opset, ir)
    assert file.bytes == (tmp_path / "a.onnx").stat().st_size
    # The codes; a scale, an offset and a bias for each of 100 channels; half a kilobyte of graph.
    assert 0 < file.bytes - (300 * 100 * stored / 8 + 3 * 400) < 600
    assert file.fp32_bytes == pytest.approx(4 * 30_100, abs=300)


class Sequence(nn.Module):
    """Steps come first; the mask that says what counts is not an input."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rnn = nn.RNN(3, 4)

    def forward(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        outputs, last = self.rnn(steps)
        return outputs, last


def test_samples_may_be_on_another_axis(tmp_path: Path) -> None:
    network = Sequence().eval()
    interface = Interface(batch_axis=1, mask="valid", passes_mask=False)
    given = {"steps": torch.randn(5, 6, 3), "valid": torch.ones(5, 6)}
    samples = Data.from_tensors(given, interface=interface)
    file = export_onnx(tmp_path / "a.onnx", network, codes_of(network, [Option(4)]), samples)
    (steps,) = session(file.path).get_inputs()
    assert (steps.name, steps.shape) == ("steps", [5, "batch", 3])
    assert file.agreement.relative < 1e-5


def test_half_precision_is_exported_in_float32(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 4)).half()
    codes = codes_of(network, [Option(4)])
    file = export_onnx(tmp_path / "a.onnx", network, codes, Data.from_tensors(torch.randn(3, 6)))
    (output,) = session(file.path).run(None, {"input": np.ones((1, 6), np.float32)})
    wanted = dequantize(codes["0.weight"]).sum(1) + network.get_parameter("0.bias").float()
    assert np.allclose(output[0], wanted.detach().numpy(), atol=1e-6)
    assert network.get_parameter("0.weight").dtype == torch.float16


def test_a_weight_that_the_trace_holds_as_another_constant_is_named(tmp_path: Path) -> None:
    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.b(x)
            return found

    network = Detached()
    file = export_onnx(
        tmp_path / "a.onnx", network, codes_of(network, [Option(4)]), Data.from_tensors(torch.randn(3, 6))
    )
    assert len(file.notes) == 1
    assert "a.weight" in file.notes[0]


@pytest.mark.parametrize("form", ["small", "fast"])
def test_pruned_channels_that_can_be_removed_are_not_in_the_file(form: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 36, 3), nn.ReLU(), nn.Conv2d(36, 4, 3), nn.Flatten(), nn.Linear(64, 3))
    samples = Data.from_tensors(torch.randn(40, 2, 8, 8, generator=torch.Generator().manual_seed(3)))
    codes = codes_of(network, parse_options("0,4,32"))
    whole, part = (
        export_onnx(tmp_path / f"{remove}.onnx", network, codes, samples, form, remove=remove)
        for remove in (False, True)
    )
    assert part.bytes < whole.bytes
    assert part.notes[0].startswith("12 pruned channels are removed, which leaves ")
    for file in (whole, part):
        assert file.agreement.relative < (1e-5 if form == "small" else 0.05)
    shapes = {tuple(tensor.dims) for tensor in onnx.load(str(part.path)).graph.initializer}
    assert all(36 not in shape for shape in shapes if len(shape) > 1)

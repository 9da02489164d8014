"""Quantized activations in ONNX files: the network's numbers in small ones, the grids of the plan in fast ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.data.inputs import Interface
from qubo_dnn.compression.export.activation_pairs import Rounding
from qubo_dnn.compression.export.checking import check_roundings
from qubo_dnn.compression.export.onnx_file import OnnxFile, export_onnx
from qubo_dnn.compression.network.layer_usage import usage
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.activation_grid import ActivationGrid, activation_grids, set_activation_grids_
from qubo_dnn.compression.quantization.activations import observe_activations
from qubo_dnn.compression.task.options import Option, parse_options
from qubo_dnn.errors import ModelError
from tests.unit.compression.export.networks import EVERY_WIDTH, EveryLayer, Residual, codes_of


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def on_grids(network: nn.Module, data: Data, *widths: int) -> nn.Module:
    """The network with what its layers read on grids, of the widths in turn."""
    inventory = find_layers(network.eval())
    read = observe_activations(usage(inventory, data, gradients=False).of(inventory), data)
    grids: dict[str, ActivationGrid] = {}
    for number, site in enumerate(read.sites):
        grids |= dict.fromkeys(site.layers, site.grid(widths[number % len(widths)]))
    set_activation_grids_(network, grids)
    return network


def exported(network: nn.Module, data: Data, path: Path, form: str = "small", options: str = "4") -> OnnxFile:
    return export_onnx(path, network, codes_of(network, parse_options(options)), data, form, remove=False)


def roundings(path: Path) -> list[tuple[str, float, int]]:
    """What every product of a file reads by a pair: its operator, and scale and zero of the pair."""
    graph = onnx.load(str(path)).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    found = []
    for node in graph.node:
        if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
            before = makers.get(node.input[0])
            while before is not None and before.op_type in ("Clip", "Pad"):
                before = makers.get(before.input[0])
            if before is not None and before.op_type == "DequantizeLinear":
                scale, zero = (constants[name] for name in before.input[1:])
                found.append((node.op_type, float(scale), int(zero)))
    return found


def test_every_kind_of_layer_reads_its_grid(tmp_path: Path) -> None:
    interface = Interface(outputs=("classes", "words"))
    samples = {"image": drawn(7, 2, 6, 6), "tokens": torch.arange(28).reshape(7, 4) % 20}
    data = Data.from_tensors(samples, interface=interface)
    network = on_grids(EveryLayer(), data, 8, 5, 2)
    grids = activation_grids(network)
    assert list(grids) == ["conv", "grouped", "up", "signal", "head"]
    file = export_onnx(tmp_path / "a.onnx", network, codes_of(network, EVERY_WIDTH), data, remove=False)
    assert file.agreement.relative < 1e-5
    assert file.notes == ()
    assert [each[1:] for each in roundings(file.path)] == [(grid.scale, grid.zero) for grid in grids.values()]
    # The given network still rounds.
    assert activation_grids(network) == grids


class Several(nn.Module):
    """A layer that is called twice, two that share a weight, one of sequences, and calls by keyword."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.twice, self.one, self.other = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6, bias=False)
        self.other.weight = self.one.weight
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.twice(torch.relu(self.twice(input=x))))
        x = self.one(x) + self.other(input=x)
        made: Tensor = self.head(input=x).mean(1)
        return made


def test_layers_that_are_called_several_times(tmp_path: Path) -> None:
    data = Data.from_tensors(drawn(9, 4, 6))
    network = on_grids(Several(), data, 4)
    file = exported(network, data, tmp_path / "a.onnx")
    assert file.agreement.relative < 1e-5
    # Two layers have one weight and read the same tensor, which one product does.
    assert [each[1:] for each in roundings(file.path)] == [
        (grid.scale, grid.zero)
        for grid in map(activation_grids(network).get, ("twice", "twice", "one", "head"))
        if grid
    ]


def plain() -> nn.Sequential:
    torch.manual_seed(4)
    first = (nn.Conv2d(2, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
    return nn.Sequential(*first, nn.Flatten(), nn.Linear(16 * 16, 5))


def test_weights_between_pairs_are_not_rounded_by_onnxruntime(tmp_path: Path) -> None:
    data = Data.from_tensors(drawn(20, 2, 8, 8))
    network = on_grids(plain(), data, 8)
    file = exported(network, data, tmp_path / "a.onnx")
    assert (file.integer_operators, file.float_operators) == (0, 3)
    assert file.agreement.relative < 1e-5


def test_other_numbers_than_those_of_the_grid_are_refused() -> None:
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    given, made = (helper.make_tensor_value_info(name, kind, ["batch", 3]) for name in ("x", "y"))
    graph = helper.make_graph([helper.make_node("Round", ["x"], ["y"])], "g", [given], [made])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    samples = next(Data.from_tensors(3.0 * torch.rand(4, 3)).batches(4))[0]
    check_roundings(model, [Rounding("x", "y", ActivationGrid(2, 1.0, 0))], samples, ["x"])
    with pytest.raises(ModelError, match="does not round x to its grid"):
        check_roundings(model, [Rounding("x", "y", ActivationGrid(2, 0.5, 0))], samples, ["x"])


class Scaled(nn.Module):
    """Reads the weight of a layer in another way than the layer does."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.layer.weight.abs())


def test_a_weight_that_is_read_otherwise_is_refused(tmp_path: Path) -> None:
    network = Scaled()
    set_activation_grids_(network, {"layer": ActivationGrid(8, 0.5, 0)})
    with pytest.raises(ModelError, match=r"that layer\.weight is multiplied by cannot be rounded .*: the operator Abs"):
        exported(network, Data.from_tensors(drawn(4, 3)), tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


def without_biases(network: nn.Module) -> nn.Module:
    """Nothing else is rounded in integers."""
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            parameter.data.zero_()
    return network


@pytest.mark.parametrize("bits", [2, 4, 7, 8])
def test_fast_files_compute_with_the_integers_of_the_plan(bits: int, tmp_path: Path) -> None:
    data = Data.from_tensors(drawn(20, 2, 8, 8))
    network = on_grids(without_biases(plain()), data, bits)
    file = exported(network, data, tmp_path / "a.onnx", "fast")
    assert (file.integer_operators, file.float_operators) == (3, 0)
    assert file.agreement.relative < 1e-5
    grids = activation_grids(network).values()
    assert [each[2] for each in roundings(file.path)] == [grid.zero for grid in grids]
    assert [each[1] for each in roundings(file.path)] == pytest.approx([grid.scale for grid in grids], rel=1e-6)
    graph = onnx.load(str(file.path)).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    ends = [[float(constants[name]) for name in node.input[1:]] for node in graph.node if node.op_type == "Clip"]
    assert ends == [[pytest.approx(grid.low), pytest.approx(grid.high)] for grid in grids if bits < 8]


@pytest.mark.parametrize(("bits", "notes"), [(8, ()), (4, ("biases are rounded too where activations take less",))])
def test_biases_are_rounded_in_fast_files(bits: int, notes: tuple[str, ...], tmp_path: Path) -> None:
    data = Data.from_tensors(drawn(20, 2, 8, 8))
    file = exported(on_grids(plain(), data, bits), data, tmp_path / "a.onnx", "fast")
    assert tuple(note[:50] for note in file.notes) == notes
    assert 1e-5 < file.agreement.relative < 0.05


def test_eight_bits_of_both_stay_on_seven_where_products_saturate(tmp_path: Path) -> None:
    data = Data.from_tensors(drawn(20, 2, 8, 8))
    network = on_grids(without_biases(plain()), data, 8, 4, 8)
    file = exported(network, data, tmp_path / "a.onnx", "fast", "8")
    assert any("activations take 7 bits" in note for note in file.notes)
    found, grids = roundings(file.path), list(activation_grids(network).values())
    given = drawn(20, 2, 8, 8)
    assert found[0][1] == pytest.approx(2 * float(given.max() - given.min()) / 255, rel=1e-3)
    # The second layer reads 4 bits, whose products cannot.
    assert found[1][1] == pytest.approx(grids[1].scale, rel=1e-6)
    assert found[2][1] > 1.5 * grids[2].scale


def test_activations_that_others_read_too_are_noted(tmp_path: Path) -> None:
    data = Data.from_tensors(drawn(40, 2, 8, 8))
    file = exported(on_grids(Residual(), data, 8), data, tmp_path / "a.onnx", "fast")
    assert [note[:44] for note in file.notes] == ["1 of the quantized activations are read by o"]
    assert file.agreement.relative < 0.05
    narrow = exported(on_grids(Residual(), data, 4), data, tmp_path / "b.onnx", "fast")
    assert [note[:44] for note in narrow.notes[1:]] == ["1 activations of less than 8 bits are first "]


def test_layers_in_floating_point_numbers_read_their_grid_in_fast_files(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.ConvTranspose1d(4, 4, 3), nn.ReLU(), nn.Conv1d(4, 4, 3), nn.Flatten())
    data = Data.from_tensors(drawn(20, 4, 5))
    on_grids(network, data, 8, 6)
    file = exported(network, data, tmp_path / "a.onnx", "fast")
    grid = activation_grids(network)["0"]
    assert ("ConvTranspose", grid.scale, grid.zero) in roundings(file.path)
    assert file.agreement.relative < 0.02


@pytest.mark.parametrize("form", ["small", "fast"])
def test_without_grids_files_are_what_they_were(form: str, tmp_path: Path) -> None:
    data, network = Data.from_tensors(drawn(8, 2, 8, 8)), plain().eval()
    exported(network, data, tmp_path / "a.onnx", form)
    on_grids(network, data, 4)
    set_activation_grids_(network, {})
    exported(network, data, tmp_path / "b.onnx", form)
    content = (tmp_path / "a.onnx").read_bytes()
    assert content == (tmp_path / "b.onnx").read_bytes()
    assert (b"QuantizeLinear" in content) == (form == "fast")


def test_pruned_channels_leave_the_file_beside_grids(tmp_path: Path) -> None:
    data, network = Data.from_tensors(drawn(8, 2, 8, 8)), plain()
    codes = codes_of(network, [Option(4)])
    options = [Option(0)] * 8 + [Option(4)] * 8
    codes["0.weight"] = codes_of(nn.Sequential(network[0]), options)["0.weight"]
    with torch.no_grad():
        network.get_parameter("0.bias")[:8] = 0.0
    on_grids(network, data, 5)
    file = export_onnx(tmp_path / "a.onnx", network, codes, data)
    assert file.notes[0].startswith("8 pruned channels are removed")
    assert file.agreement.relative < 1e-5
    shapes = [tuple(tensor.dims) for tensor in onnx.load(str(file.path)).graph.initializer]
    assert (8, 2 * 9) in shapes
    assert np.prod((16, 8 * 9)) in [int(np.prod(shape)) for shape in shapes]

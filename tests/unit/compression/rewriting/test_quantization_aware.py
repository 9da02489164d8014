"""Compressed networks are trained on their grids, and come back as plain networks with the same outputs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.export.onnx_file import export_onnx
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.network.outputs import all_outputs
from qubo_dnn.compression.quantization.activation_grid import (
    ActivationGrid,
    activation_grids,
    set_activation_grids_,
    without_activation_grids,
)
from qubo_dnn.compression.quantization.quantize import Quantized, dequantize, grids
from qubo_dnn.compression.rewriting.compressed_file import load_compressed_, save_compressed
from qubo_dnn.compression.rewriting.quantization_aware import from_qat, to_qat
from qubo_dnn.compression.task.options import parse_options
from qubo_dnn.compression.task.plan import LayerPlan, Plan
from qubo_dnn.errors import ModelError
from tests.unit.compression.export.networks import EveryLayer, codes_of, with_codes

OPTIONS = parse_options("4,0,2,8,1,3,32,2@30%,32@20%")


class Cells(nn.Module):
    """Recurrent cells, step by step, and a plain recurrent layer with a projection."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru = nn.LSTMCell(3, 4), nn.GRUCell(4, 5)
        self.rnn, self.projected = nn.RNN(5, 4, num_layers=2), nn.LSTM(4, 6, proj_size=3)

    def forward(self, x: Tensor) -> Tensor:
        state, hidden, steps = None, None, []
        for each in x.unbind(1):
            state = self.lstm(each, state)
            hidden = self.gru(state[0], hidden)
            steps.append(hidden)
        output: Tensor = self.projected(self.rnn(torch.stack(steps))[0])[0]
        return output.mean(0)


class Attention(nn.Module):
    """Queries, keys and values of different sizes, and a whole encoder layer."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = nn.Linear(6, 3)
        self.attention = nn.MultiheadAttention(6, 2, kdim=3, vdim=3, batch_first=True)
        self.encoder = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        keys = self.keys(x)
        output: Tensor = self.encoder(self.attention(x, keys, keys)[0])
        return output


class OwnParameters(nn.Module):
    """Parameters of the user's module, in containers too, one of them under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.matrices = nn.ParameterList([nn.Parameter(torch.randn(4, 4)) for _ in range(2)])
        self.named = nn.ParameterDict({"left": nn.Parameter(torch.randn(4, 4)), "right": self.matrices[0]})
        self.table = nn.Embedding(4, 4, sparse=True)
        self.head = nn.Linear(4, 4, bias=False)
        self.head.weight = self.table.weight

    def forward(self, x: Tensor) -> Tensor:
        x = x @ self.matrices[0] @ self.matrices[1] + x @ self.named["left"] @ self.named["right"]
        output: Tensor = self.head(x) + self.table(torch.arange(4)).mean(0)
        return output


class Shifted(nn.Module):
    """Parametrization with a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.full((1,), 0.25))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.get_buffer("shift")


def parametrized() -> nn.Module:
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    parametrize.register_parametrization(network[0], "weight", Shifted())
    return network


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[Tensor, ...]]] = {
    "every layer": (EveryLayer, (drawn(5, 2, 6, 6), torch.arange(20).view(5, 4))),
    "cells": (Cells, (drawn(4, 3, 3),)),
    "attention": (Attention, (drawn(4, 3, 6),)),
    "own parameters": (OwnParameters, (drawn(5, 4),)),
    "parametrized": (parametrized, (drawn(5, 4),)),
}


@pytest.fixture(params=NETWORKS)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, dict[str, Quantized], tuple[Tensor, ...]]:
    """A compressed network, its codes and inputs."""
    factory, inputs = NETWORKS[request.param]
    torch.manual_seed(0)
    network = factory()
    codes = codes_of(network, OPTIONS)
    return with_codes(network, codes), codes, inputs


def outputs(network: nn.Module, inputs: Sequence[Tensor]) -> list[Tensor]:
    return list(all_outputs(network(*inputs)).values())


def assert_same(network: nn.Module, other: nn.Module, inputs: Sequence[Tensor]) -> None:
    for one, two in zip(outputs(network, inputs), outputs(other, inputs), strict=True):
        assert torch.equal(one, two)


def train_(module: nn.Module, inputs: Sequence[Tensor], steps: int = 3) -> None:
    """Ordinary training with weight decay."""
    optimizer = torch.optim.AdamW(module.train().parameters(), lr=0.05, weight_decay=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        losses = [each.square().mean() for each in outputs(module, inputs) if each.is_floating_point()]
        torch.autograd.backward(losses)
        optimizer.step()


Case = tuple[nn.Module, dict[str, Quantized], tuple[Tensor, ...]]


@pytest.mark.parametrize("training", [False, True])
def test_untrained_modules_have_the_outputs_of_the_network(case: Case, training: bool) -> None:
    network, codes, inputs = case
    module = to_qat(network, codes)
    assert module.training == network.training
    assert_same(copy.deepcopy(network).train(training), module.train(training), inputs)


def test_every_weight_has_a_gradient(case: Case) -> None:
    network, codes, inputs = case
    module = to_qat(network, codes)
    train_(module, inputs, steps=1)
    gradients = {key: parameter.grad for key, parameter in module.named_parameters()}
    assert [key for key, each in gradients.items() if each is None or not each.any()] == []
    assert len(gradients) == len(list(network.parameters()))


def test_trained_weights_are_other_values_of_the_same_grids(case: Case) -> None:
    network, codes, inputs = case
    before = {key: value.clone() for key, value in network.state_dict().items()}
    module = to_qat(network, codes)
    train_(module, inputs, steps=10)
    trained, moved = from_qat(module, network, codes)
    for key, each in moved.items():
        assert torch.equal(trained.get_parameter(key), dequantize(each))
        assert torch.equal(grids(each), grids(codes[key]))
        assert not dequantize(each)[~each.layout.weight(each.kept)].any()
        assert not torch.equal(dequantize(each), dequantize(codes[key]))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_the_plain_network_has_the_outputs_of_the_trained_module(case: Case) -> None:
    network, codes, inputs = case
    module = to_qat(network, codes)
    train_(module, inputs)
    state = {key: value.clone() for key, value in module.state_dict().items()}
    trained, _ = from_qat(module, network, codes)
    assert [type(each) for each in trained.modules()] == [type(each) for each in network.modules()]
    assert trained.state_dict().keys() == network.state_dict().keys()
    assert_same(module.eval(), trained.eval(), inputs)
    for context in (torch.no_grad, torch.inference_mode):  # torch has other code for attention then
        with context():
            assert_same(module, trained, inputs)
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())


def test_modules_are_copied_and_kept_as_any_other(case: Case, tmp_path: Path) -> None:
    network, codes, inputs = case
    module = to_qat(network, codes)
    train_(module, inputs)
    twin = copy.deepcopy(module)
    torch.save(module.state_dict(), tmp_path / "state.pt")
    loaded = to_qat(network, codes)
    loaded.load_state_dict(torch.load(tmp_path / "state.pt"))
    assert_same(module.eval(), loaded.eval(), inputs)
    train_(twin, inputs)
    train_(loaded, inputs)
    assert_same(twin.eval(), loaded.eval(), inputs)
    copy.deepcopy(module.double().float())


def test_shared_weights_stay_shared() -> None:
    torch.manual_seed(0)
    network = OwnParameters()
    codes = codes_of(network, OPTIONS)
    with_codes(network, codes)
    module = to_qat(network, codes)
    train_(module, NETWORKS["own parameters"][1])
    trained, _ = from_qat(module, network, codes)
    assert isinstance(trained, OwnParameters)
    assert trained.head.weight is trained.table.weight
    assert trained.named["right"] is trained.matrices[0]


def test_half_precision_networks_stay_so() -> None:
    torch.manual_seed(0)
    network: nn.Module = nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 4))
    codes = codes_of(network, OPTIONS)
    network, images = with_codes(network, codes).bfloat16(), drawn(5, 6).bfloat16()
    module = to_qat(network, codes)
    assert_same(network, module, [images])
    train_(module, [images])
    trained, moved = from_qat(module, network, codes)
    assert_same(module.eval(), trained, [images])
    assert torch.equal(trained.get_parameter("0.weight"), dequantize(moved["0.weight"]).bfloat16())


def test_a_memory_format_is_kept() -> None:
    """Torch has other code for it, with other last bits."""
    torch.manual_seed(0)
    network: nn.Module = nn.Sequential(nn.Conv2d(3, 9, 3), nn.ReLU(), nn.ConvTranspose2d(9, 4, 3))
    codes, images = codes_of(network, OPTIONS), drawn(5, 3, 7, 7).to(memory_format=torch.channels_last)
    network = with_codes(network, codes).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module = to_qat(network, codes)
    convolutions: list[Any] = [each.get_submodule("0") for each in (network, module)]
    strides = [each.weight.stride() for each in convolutions]
    assert strides[0] == strides[1] != torch.empty(9, 3, 3, 3).stride()
    for context in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        with context():
            assert_same(network, module, [images])


def test_frozen_parameters_stay_frozen() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    codes = codes_of(network, OPTIONS)
    with_codes(network, codes).get_submodule("0").requires_grad_(requires_grad=False)
    module = to_qat(network, codes)
    train_(module, [drawn(4, 3)])
    trained, moved = from_qat(module, network, codes)
    assert torch.equal(moved["0.weight"].codes, codes["0.weight"].codes)
    assert not trained.get_parameter("0.weight").requires_grad


def test_silent_entries_stay_zero() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    codes = codes_of(network, OPTIONS)
    silent: Mapping[str, Sequence[int]] = {"0.bias": [1], "1.weight": [1, 2], "1.bias": [1]}
    for key, places in silent.items():
        network.get_parameter(key).data[list(places)] = 0.0
    with_codes(network, codes)
    module, images = to_qat(network, codes, silent), drawn(6, 3)
    assert_same(network, module, [images])
    train_(module, [images])
    trained, _ = from_qat(module, network, codes, silent)
    assert_same(module.eval(), trained.eval(), [images])
    for key, places in silent.items():
        zero = [place for place, value in enumerate(trained.get_parameter(key).tolist()) if value == 0.0]
        assert zero == list(places)


class Product(nn.Module):
    """Parametrization of two tensors."""

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return left @ right

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return weight, torch.eye(weight.shape[1])


def test_a_parametrization_of_several_tensors_is_refused() -> None:
    network = nn.Sequential(nn.Linear(3, 3))
    parametrize.register_parametrization(network[0], "weight", Product())
    codes = codes_of(network, OPTIONS)
    with pytest.raises(ModelError, match=r"'0\.parametrizations\.weight\.original0' cannot be trained: its para"):
        to_qat(network, codes)


def foreign(kind: str) -> Any:
    """Modules that are not those of the network of `test_other_modules_are_refused`."""
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    codes = codes_of(network, OPTIONS)
    module = to_qat(network, codes)
    if kind == "converted":
        return module.half()
    if kind == "not finite":
        module.get_parameter("1.parametrizations.weight.original").data[0, 0] = torch.inf
        return module
    other = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    return {
        "state": module.state_dict(),
        "plain": network,
        "wrapped": nn.Sequential(module),
        "another network": to_qat(other, codes_of(other, OPTIONS)),
        "another plan": to_qat(network, codes_of(network, parse_options("4,3"))),
        "spectral norm": parametrizations.spectral_norm(nn.Linear(3, 4)),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("state", "has made: it is OrderedDict, not a torch nn.Module"),
        ("plain", r"has made: the keys are not the model's: \d missing \(0\.parametrizations\.weight\.original"),
        ("wrapped", r"the keys are not the model's: .* unexpected \(0\.0\.bias"),
        ("another network", r"\d shapes differ: 0\.bias is \(5,\), the model has \(4,\)"),
        ("another plan", r"'0\.parametrizations\.weight\.0\.grid' is that of another plan"),
        ("spectral norm", "the keys are not the model's"),
        ("converted", r"the module has been converted: '0\.bias' is float16, not float32; use autocast instead"),
        ("not finite", r"1\.weight: a weight is not finite"),
    ],
)
def test_other_modules_are_refused(kind: str, words: str) -> None:
    torch.manual_seed(0)
    module = foreign(kind)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    codes = codes_of(network, OPTIONS)
    with pytest.raises(ModelError, match=words) as caught:
        from_qat(module, network, codes)
    assert "\n" not in str(caught.value)


def test_every_kind_of_layer_is_among_the_networks() -> None:
    kinds = {type(layer.module) for factory, _ in NETWORKS.values() for layer in find_layers(factory()).layers}
    kinds_named = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding, nn.EmbeddingBag, nn.LSTM, nn.GRU)
    assert kinds >= {*kinds_named, nn.RNN, nn.LSTMCell, nn.GRUCell, nn.MultiheadAttention, nn.ParameterList}


def on_grids() -> tuple[nn.Sequential, dict[str, Quantized], Tensor]:
    """A compressed network whose layers read 3 and 4 bits."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    codes = codes_of(network, parse_options("4"))
    grids = {"0": ActivationGrid.over(-2.0, 2.0, 4), "2": ActivationGrid.over(0.0, 1.0, 3)}
    set_activation_grids_(with_codes(network, codes), grids)
    return network, codes, drawn(20, 6)


def test_gradients_pass_through_quantized_activations() -> None:
    network, codes, x = on_grids()
    module = to_qat(network, codes)
    assert activation_grids(module) == activation_grids(network)
    assert torch.equal(module(x), network(x))
    read: list[Tensor] = []
    handle = module.get_submodule("1").register_forward_hook(lambda *given: read.append(given[2]))
    torch.autograd.backward(module(x).square().sum())
    handle.remove()
    # The gradient is that of a network that does not round, around the rounded numbers, and zero beyond the grid.
    (hidden,) = (each.detach() for each in read)
    grid = activation_grids(network)["2"]
    rounded = grid(hidden).requires_grad_()
    with without_activation_grids(network):
        torch.autograd.backward(network[2:](rounded).square().sum())
    assert rounded.grad is not None
    passed = rounded.grad * (hidden < grid.high + grid.scale / 2) * (hidden > 0)
    assert (hidden >= grid.high + grid.scale / 2).any()
    first = activation_grids(network)["0"](x)
    latent = module.get_parameter("0.parametrizations.weight.original")
    assert latent.grad is not None
    assert latent.grad.abs().max() > 0.0
    wanted = passed.T @ first
    inside = latent.grad != 0.0  # beyond the ends of its own grid, a weight has no gradient
    assert torch.allclose(latent.grad[inside], wanted[inside], atol=1e-5)


def test_training_with_quantized_activations_goes_through_both_files_bit_for_bit(tmp_path: Path) -> None:
    network, codes, x = on_grids()
    module = to_qat(network, codes).train()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(x), (x[:, 0] > 0).long())
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    trained, new = from_qat(module, network, codes)
    assert activation_grids(trained) == activation_grids(network)
    assert torch.equal(trained(x), module(x))
    plan = Plan({name: LayerPlan(1, parse_options("4") * len(new[f"{name}.weight"].bits)) for name in ("0", "2", "4")})
    save_compressed(tmp_path / "a.safetensors", trained, plan, {key.removesuffix(".weight"): new[key] for key in new})
    loaded = on_grids()[0]
    set_activation_grids_(loaded, {})
    load_compressed_(loaded, tmp_path / "a.safetensors")
    assert torch.equal(loaded(x), trained(x))
    file = export_onnx(tmp_path / "a.onnx", trained, new, Data.from_tensors(x))
    assert file.agreement.relative < 1e-5
    assert file.notes == ()

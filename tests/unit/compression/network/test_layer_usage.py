"""How weights are used, and which cannot be measured: found by what reads them, not by how the code looks."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)
from torch.utils.checkpoint import checkpoint

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.layer_usage import (
    NO_GRADIENT,
    NOT_EXPLAINED,
    NOT_USED,
    SHARED_MEMORY,
    usage,
)
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.errors import DataError, ModelError

Forward = Callable[[Any, Tensor], Tensor]


class Net(nn.Module):
    """Two layers `a` and `b`, and whatever is done with them."""

    def __init__(self, forward: Forward, a: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = a or nn.Linear(4, 4), nn.Linear(4, 4)
        self.run = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


class Own(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, 2 * self.weight, self.bias)


class Scaled(nn.Linear):
    def forward(self, x: Tensor, scale: float) -> Tensor:  # type: ignore[override]  # its own arguments are the point
        return F.linear(x, scale * self.weight, self.bias)


class Pair(nn.Linear):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # its own outputs are the point
        return F.linear(x, self.weight), x


class Stopped(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.detach())


class Cached(nn.Linear):
    """Reads a copy of its weight."""

    def __init__(self) -> None:
        super().__init__(4, 4)
        self.copied = self.weight.detach().clone()

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.copied, self.bias)


def data(count: int = 40) -> Data:
    images = torch.randn(count, 4, generator=torch.Generator().manual_seed(0))
    return Data.from_tensors(images, torch.arange(count) % 4)


PARAMETER, OPERATOR = "measured through its parameter", "measured by calls of an operator"


def found(model: nn.Module, **options: Any) -> dict[str, str]:
    """The layers that are not measured by calls of their modules, with the reason or how they are."""
    used = usage(find_layers(model), data(), **options)
    ways = [used.unmeasurable, dict.fromkeys(used.not_by_calls, PARAMETER), dict.fromkeys(used.by_operators, OPERATOR)]
    merged = {name: way for each in ways for name, way in each.items()}
    assert len(merged) == sum(map(len, ways))
    return merged


OUTSIDE: dict[str, Forward] = {
    "functional": lambda net, x: net.b(F.linear(x, net.a.weight)),
    "module and functional": lambda net, x: net.b(F.linear(net.a(x), net.a.weight)),
    "a row": lambda net, x: net.b(net.a(x) * net.a.weight[0]),
    "another bias": lambda net, x: net.b(F.linear(x, net.a.weight, net.b.bias)),
    "transposed": lambda net, x: net.b(F.linear(x, net.a.weight.T, net.a.bias)),
    "two operators": lambda net, x: net.b(F.linear(x, net.a.weight, net.a.bias) + x @ net.a.weight),
    "no image axis": lambda net, x: net.b(torch.stack([F.linear(row, net.a.weight, net.a.bias) for row in x])),
    "vmap": lambda net, x: torch.vmap(lambda row: F.linear(row, net.a.weight))(net.b(x)),
    "other weights by functional_call": lambda net, x: torch.func.functional_call(
        net.a, {"weight": 2 * net.a.weight}, (net.b(x),)
    ),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_weight_that_is_read_outside_of_calls(name: str) -> None:
    assert found(Net(OUTSIDE[name])) == {"a": PARAMETER}


OPERATORS: dict[str, Forward] = {
    "functional": lambda net, x: net.b(F.linear(x, net.a.weight, net.a.bias)),
    "by keyword": lambda net, x: net.b(F.linear(bias=net.a.bias, weight=net.a.weight, input=x)),
    "forward without call": lambda net, x: net.b(net.a.forward(x)),
    "call and functional": lambda net, x: net.b(F.linear(net.a(x), net.a.weight, net.a.bias)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_a_weight_that_linear_operators_alone_read(name: str) -> None:
    assert found(Net(OPERATORS[name])) == {"a": OPERATOR}


class Padding(nn.Conv2d):
    """Pads its input itself, as networks brought over from TensorFlow do."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (0, 1, 0, 1)), self.weight, self.bias, self.stride, self.padding, 1, self.groups)


class Strided(nn.Conv2d):
    """Its stride is not the one it states."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, 2)


def test_convolutions_that_compute_with_their_weight_themselves() -> None:
    shaped = nn.Sequential(nn.Unflatten(1, (1, 2, 2)), Padding(1, 3, 2, bias=False), Strided(3, 3, 1), nn.Flatten())
    assert found(shaped) == {"1": OPERATOR, "2": PARAMETER}


DETACHED: dict[str, Forward] = {
    "detached weight": lambda net, x: net.b(F.linear(x, net.a.weight.detach())),
    "data": lambda net, x: net.b(F.linear(x, net.a.weight.data)),
    "numpy": lambda net, x: net.b(torch.from_numpy(x.numpy() @ net.a.weight.detach().numpy())),
    "numpy of data": lambda net, x: net.b(torch.from_numpy(x.numpy()) @ torch.from_numpy(net.a.weight.data.numpy())),
}


@pytest.mark.parametrize("name", DETACHED)
def test_a_weight_that_is_read_without_its_gradient(name: str) -> None:
    assert found(Net(DETACHED[name])) == {"a": NO_GRADIENT}


PARTLY: dict[str, Forward] = {
    "call and detached": lambda net, x: net.b(net.a(x) + F.linear(x, net.a.weight.detach())),
    "call and data": lambda net, x: net.b(torch.tanh(net.a(x)) @ net.a.weight.data),
    "rounded straight through": lambda net, x: net.b(
        F.linear(x, net.a.weight + ((4 * net.a.weight).round() / 4 - net.a.weight).detach())
    ),
}


@pytest.mark.parametrize("name", PARTLY)
def test_a_weight_whose_gradient_misses_a_use(name: str) -> None:
    assert found(Net(PARTLY[name])) == {"a": NOT_EXPLAINED}
    assert found(Net(PARTLY[name]), gradients=False) == {"a": PARAMETER}


PARTLY_WITHOUT: dict[str, Forward] = {
    "calls": lambda net, x: net.b(net.a(x) + torch.no_grad()(net.a)(x)),
    "functional": lambda net, x: net.b(
        F.linear(x, net.a.weight, net.a.bias) + torch.no_grad()(F.linear)(x, net.a.weight, net.a.bias)
    ),
}


@pytest.mark.parametrize("name", PARTLY_WITHOUT)
def test_a_weight_that_is_also_read_without_gradients(name: str) -> None:
    """It cannot be measured, but calls explain what it gives where no gradients are asked for."""
    assert found(Net(PARTLY_WITHOUT[name])) == {"a": NOT_EXPLAINED}
    assert "a" not in usage(find_layers(Net(PARTLY_WITHOUT[name])), data(), gradients=False).not_by_calls


def test_hooks_of_others_that_read_a_weight() -> None:
    for register in ("register_forward_hook", "register_forward_pre_hook"):
        model = Net(lambda net, x: net.b(net.a(x)))
        hook: Any = lambda module, args, *output: (output or args)[0] * module.weight.sum()  # noqa: E731 (one of two signatures)
        getattr(model.b, register)(hook)
        assert found(model) == {"b": PARAMETER}


def test_parameters_that_share_memory() -> None:
    model = Net(lambda net, x: net.b(net.a(x)))
    model.c = nn.Linear(4, 4)
    model.b.weight = nn.Parameter(model.get_parameter("a.weight").data)
    assert found(model) == {"a": SHARED_MEMORY, "b": SHARED_MEMORY, "c": NOT_USED}


def test_parameters_beside_each_other_in_one_storage_are_fine() -> None:
    model = Net(lambda net, x: net.b(net.a(x)))
    memory = torch.randn(8, 4)
    model.a.weight, model.b.weight = nn.Parameter(memory[:4]), nn.Parameter(memory[4:])
    assert found(model) == {}


FINE: dict[str, Forward] = {
    "calls": lambda net, x: net.b(net.a(x)),
    "by keyword": lambda net, x: net.b(net.a(input=x)),
    "twice": lambda net, x: net.b(net.a(net.a(x))),
    "only its shape": lambda net, x: net.b(net.a(x) + net.a.weight.new_zeros(4) + torch.ones_like(net.a.weight)[0]),
    "some batches": lambda net, x: net.b(net.a(x) if len(x) == 32 else x),
    "functional_call with its own": lambda net, x: torch.func.functional_call(
        net.a, dict(net.a.named_parameters()), (net.b(x),)
    ),
    "in place": lambda net, x: net.b(F.relu(net.a(x), inplace=True)),
    "checkpoint": lambda net, x: net.b(checkpoint(net.a, x, use_reentrant=False)),
}


@pytest.mark.parametrize("name", FINE)
def test_a_weight_that_is_read_by_calls_alone(name: str) -> None:
    model = Net(FINE[name]).requires_grad_(False)
    assert found(model) == {}
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_layer_that_runs_in_training_only_is_not_called() -> None:
    model = Net(lambda net, x: net.a(x) if net.training else net.b(x)).train()
    assert found(model) == {"a": NOT_USED}
    assert model.training


NO_WAY_BACK: dict[str, Forward] = {
    "detached": lambda net, x: net.b(net.a(x).detach()),
    "rounded": lambda net, x: net.b(net.a(x).round()),
    "no_grad": lambda net, x: net.b(torch.no_grad()(net.a)(x)),
    "not used": lambda net, x: net.b(x) if net.a(x) is not None else x,
}


@pytest.mark.parametrize("name", NO_WAY_BACK)
def test_a_layer_that_no_gradient_reaches(name: str) -> None:
    model = Net(NO_WAY_BACK[name])
    assert found(model) == {"a": NO_GRADIENT}
    assert found(model, gradients=False) == {}


def test_layers_with_a_forward_of_their_own() -> None:
    def chain(net: Any, x: Tensor) -> Tensor:
        y: Tensor = net.b(net.a(x))
        return y

    assert found(Net(chain, Own(4, 4))) == {"a": PARAMETER}
    assert found(Net(chain, Stopped(4, 4))) == {"a": NO_GRADIENT}
    assert found(Net(chain, Cached())) == {"a": NOT_USED}
    assert found(Net(lambda net, x: net.b(net.a(x, 2.0)), Scaled(4, 4))) == {"a": PARAMETER}
    assert found(Net(lambda net, x: net.b(net.a(x)[0]), Pair(4, 4))) == {"a": PARAMETER}


def test_a_forward_that_was_replaced_is_one_of_its_own() -> None:
    model = Net(lambda net, x: net.b(net.a(x)))
    model.a.forward = types.MethodType(lambda self, x: F.linear(x, 3 * self.weight), model.a)
    first, second = find_layers(model).layers
    assert (first.by_calls, second.by_calls) == (False, True)
    assert found(model) == {"a": PARAMETER}


def test_images_on_another_axis_are_told_by_a_second_number_of_images() -> None:
    """40 images, each of 32 numbers, in a sequence of 32: a batch of 32 looks the same both ways."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3))

    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, x: Tensor) -> Tensor:
            turned: Tensor = self.inner(x[None].expand(32, -1, -1)).mean(0)
            return turned

    assert found(Turned()) == {"inner.0": PARAMETER, "inner.1": PARAMETER}


def test_layers_of_a_transformer_are_measured_though_its_fast_path_fuses_them() -> None:
    """With gradients and hooks, as when it is measured, it calls them; its attention never calls `out_proj`."""
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, dropout=0.0)
    model = nn.Sequential(nn.Unflatten(1, (1, 4)), block, nn.Flatten(), nn.Linear(4, 3))
    names = [layer.name for layer in find_layers(model).layers]
    attention = ["1.self_attn.in_proj_weight", "1.self_attn.out_proj"]
    assert names == [*attention, "1.linear1", "1.linear2", "3"]
    assert found(model) == dict.fromkeys(attention, PARAMETER)


def test_all_images_are_run_and_progress_is_told() -> None:
    seen: list[int] = []
    heard: list[tuple[int, int]] = []

    def forward(net: Any, x: Tensor) -> Tensor:
        seen.append(len(x))
        y: Tensor = net.b(F.linear(x, net.a.weight) if len(x) < 32 else net.a(x))
        return y

    assert found(Net(forward), progress=lambda *done: heard.append(done)) == {"a": PARAMETER}
    # A second number of images tells their axis, and the gradient is checked with eight.
    assert seen[:3] == [32, 16, 8]
    assert set(seen[3:]) == {8}
    assert heard == [(32, 40), (40, 40)]


def test_a_network_that_fails_is_one_line() -> None:
    with pytest.raises(DataError, match=r"data: the network does not take images of \(4,\): AttributeError"):
        found(Net(lambda net, x: net.c(x)))
    with pytest.raises(ModelError, match="not finite"):
        found(Net(lambda net, x: net.b(x) * float("nan")))

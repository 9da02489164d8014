"""Layers that cannot be measured: found by what reads their weight, not by how the code looks."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)
from torch.utils.checkpoint import checkpoint

from qubo_dnn.compression.network.dataset import Data
from qubo_dnn.compression.network.layer_usage import (
    NO_GRADIENT,
    NOT_CALLED,
    NOT_READ,
    OTHER_ARGUMENTS,
    USED_ELSEWHERE,
    unmeasurable,
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


def found(model: nn.Module, **options: Any) -> dict[str, str]:
    return unmeasurable(find_layers(model), data(), **options)


OUTSIDE: dict[str, Forward] = {
    "functional": lambda net, x: net.b(F.linear(x, net.a.weight)),
    "module and functional": lambda net, x: net.b(F.linear(net.a(x), net.a.weight)),
    "detached weight": lambda net, x: net.b(F.linear(x, net.a.weight.detach())),
    "data": lambda net, x: net.b(F.linear(x, net.a.weight.data)),
    "numpy": lambda net, x: net.b(torch.from_numpy(x.numpy() @ net.a.weight.detach().numpy())),
    "numpy of data": lambda net, x: net.b(torch.from_numpy(x.numpy()) @ torch.from_numpy(net.a.weight.data.numpy())),
    "a row": lambda net, x: net.b(net.a(x) * net.a.weight[0]),
    "forward without call": lambda net, x: net.b(net.a.forward(x)),
    "vmap": lambda net, x: torch.vmap(lambda row: F.linear(row, net.a.weight))(net.b(x)),
    "other weights by functional_call": lambda net, x: torch.func.functional_call(
        net.a, {"weight": 2 * net.a.weight}, (net.b(x),)
    ),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_weight_that_is_read_outside_of_calls(name: str) -> None:
    assert found(Net(OUTSIDE[name])) == {"a": USED_ELSEWHERE}


def test_hooks_of_others_that_read_a_weight() -> None:
    for register in ("register_forward_hook", "register_forward_pre_hook"):
        model = Net(lambda net, x: net.b(net.a(x)))
        hook: Any = lambda module, args, *output: (output or args)[0] * module.weight.sum()  # noqa: E731 (one of two signatures)
        getattr(model.b, register)(hook)
        assert found(model) == {"b": USED_ELSEWHERE}


def test_parameters_that_share_memory() -> None:
    model = Net(lambda net, x: net.b(net.a(x)))
    model.c = nn.Linear(4, 4)
    model.b.weight = nn.Parameter(model.get_parameter("a.weight").data)
    assert found(model) == {"a": USED_ELSEWHERE, "b": USED_ELSEWHERE, "c": NOT_CALLED}


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
    assert found(model) == {"a": NOT_CALLED}
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

    assert found(Net(chain, Own(4, 4))) == {}
    assert found(Net(chain, Stopped(4, 4))) == {"a": NO_GRADIENT}
    assert found(Net(chain, Cached())) == {"a": NOT_READ}
    assert found(Net(lambda net, x: net.b(net.a(x, 2.0)), Scaled(4, 4))) == {"a": OTHER_ARGUMENTS}
    assert found(Net(lambda net, x: net.b(net.a(x)[0]), Pair(4, 4))) == {"a": OTHER_ARGUMENTS}


def test_a_forward_that_was_replaced_is_one_of_its_own() -> None:
    model = Net(lambda net, x: net.b(net.a(x)))
    model.a.forward = types.MethodType(lambda self, x: F.linear(x, 3 * self.weight), model.a)
    first, second = find_layers(model).layers
    assert (first.linear_in_weight, second.linear_in_weight) == (False, True)
    assert found(model) == {}


def test_layers_of_a_transformer_are_measured_though_its_fast_path_fuses_them() -> None:
    """With gradients and hooks, as when it is measured, it calls them; its attention never calls `out_proj`."""
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, dropout=0.0)
    model = nn.Sequential(nn.Unflatten(1, (1, 4)), block, nn.Flatten(), nn.Linear(4, 3))
    inventory = find_layers(model)
    assert [layer.name for layer in inventory.layers] == ["1.linear1", "1.linear2", "3"]
    assert unmeasurable(inventory, data()) == {}


def test_all_images_are_run_and_progress_is_told() -> None:
    seen: list[int] = []
    heard: list[tuple[int, int]] = []

    def forward(net: Any, x: Tensor) -> Tensor:
        seen.append(len(x))
        y: Tensor = net.b(F.linear(x, net.a.weight) if len(x) < 32 else net.a(x))
        return y

    assert found(Net(forward), progress=lambda *done: heard.append(done)) == {"a": USED_ELSEWHERE}
    assert seen == [32, 8]
    assert heard == [(32, 40), (40, 40)]


def test_a_network_that_fails_is_one_line() -> None:
    with pytest.raises(DataError, match=r"data: the network does not take images of \(4,\): AttributeError"):
        found(Net(lambda net, x: net.c(x)))
    with pytest.raises(ModelError, match="not finite"):
        found(Net(lambda net, x: net.b(x) * float("nan")))

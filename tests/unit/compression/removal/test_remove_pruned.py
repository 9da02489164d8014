"""Pruned channels leave the network, and its outputs stay."""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.conv import _ConvNd

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.network.inference import forward, inference
from qubo_dnn.compression.network.layer_usage import usage
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.activation_grid import ActivationGrid, activation_grids, set_activation_grids_
from qubo_dnn.compression.quantization.activations import observe_activations
from qubo_dnn.compression.removal.channel_groups import find_channel_groups
from qubo_dnn.compression.removal.remove_pruned import Removal, remove_pruned
from qubo_dnn.errors import MissingExtraError, ModelError, OptionError


class Residual(nn.Module):
    """A stem, and a block that adds to it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.Linear(4, 2)
        self.inner, self.outer = nn.Conv2d(4, 6, 3, padding=1, bias=False), nn.Conv2d(6, 4, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.outer(functional.relu(self.inner(x)))
        made: Tensor = self.head(functional.relu(x).mean((2, 3)))
        return made


class Dense(nn.Module):
    """Outputs of two layers side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 3, 1), nn.Conv2d(7, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        one = functional.relu(self.one(x))
        made: Tensor = self.head(torch.cat([one, functional.relu(self.two(one))], 1)).flatten(1)
        return made


class Fixed(nn.Module):
    """A width that stands in the code."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.two(functional.pad(self.one(x), (0, 0, 0, 0, 2, 2))).flatten(1)
        return made


class Twice(nn.Module):
    """A layer that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again, self.last = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.first(x))
        made: Tensor = self.last(functional.relu(self.again(functional.relu(self.again(x)))))
        return made


def depthwise() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU6()),
        *(nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False), nn.BatchNorm2d(6), nn.ReLU6()),
        *(nn.Conv2d(6, 4, 1, bias=False), nn.Flatten(), nn.Linear(4 * 36, 2)),
    )


NETWORKS: dict[str, tuple[nn.Module, tuple[int, ...], Mapping[str, list[int]], Mapping[str, tuple[int, ...]]]] = {
    # network, shape of an image, pruned rows, channels that must leave
    "valid": (
        nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 2, 3), nn.Flatten()),
        (3, 6, 6),
        {"0": [0, 3]},
        {"0": (0, 3)},
    ),
    "norm": (
        nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.PReLU(5), nn.Flatten(), nn.Linear(5 * 16, 2)),
        (3, 6, 6),
        {"0": [4]},
        {"0": (4,)},
    ),
    "signals": (
        nn.Sequential(nn.Conv1d(2, 4, 3), nn.Tanh(), nn.ConvTranspose1d(4, 3, 3), nn.Conv1d(3, 2, 1), nn.Flatten()),
        (2, 8),
        {"2": [1]},
        {"2": (1,)},
    ),
    "residual": (Residual(), (3, 6, 6), {"inner": [1, 2], "stem": [0], "outer": [0]}, {"inner": (1, 2), "stem": (0,)}),
    "dense": (Dense(), (3, 6, 6), {"one": [1], "two": [0, 2]}, {"one": (1,), "two": (0, 2)}),
    "depthwise": (depthwise(), (3, 6, 6), {"0": [0], "3": [0, 5]}, {"0": (0, 5), "3": (0, 5)}),
}


def pruned(network: nn.Module, rows: Mapping[str, list[int]]) -> nn.Module:
    """A copy in which some rows are zero, as after a plan; norms have seen images."""
    made = copy.deepcopy(network).eval()
    generator = torch.Generator().manual_seed(5)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.weight, module.bias):
                assert tensor is not None
                tensor.data = torch.rand(tensor.shape, generator=generator) - 0.5
    for name, places in rows.items():
        weight = made.get_submodule(name).get_parameter("weight").data
        (weight.transpose(0, 1) if isinstance(made.get_submodule(name), nn.ConvTranspose1d) else weight)[places] = 0
    return made


def images(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(4, *shape, generator=torch.Generator().manual_seed(1))


def removed(name: str) -> tuple[nn.Module, Tensor, Removal]:
    network, shape, rows, _ = NETWORKS[name]
    masked, x = pruned(network, rows), images(shape)
    return masked, x, remove_pruned(masked, x)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_channels_leave_and_the_outputs_stay(name: str) -> None:
    masked, x, removal = removed(name)
    expected = NETWORKS[name][3]
    assert {layer: removal.channels[layer] for layer in expected} == expected
    with inference(masked), inference(removal.model):
        other = images(tuple(x.shape[1:])).flip(0)
        assert torch.allclose(forward(removal.model, other), forward(masked, other), atol=1e-4)
    assert removal.deviation < 1e-5
    for layer, channels in removal.channels.items():
        before, after = masked.get_submodule(layer), removal.model.get_submodule(layer)
        kept = set(range(_outputs(before))) - set(channels)
        assert _outputs(after) == len(kept)


def on_grids(network: nn.Module, x: Tensor, bits: int) -> nn.Module:
    """The network with quantized activations, over the extremes of what every layer reads."""
    data = Data.from_tensors(x)
    inventory = find_layers(network)
    read = observe_activations(usage(inventory, data, gradients=False).of(inventory), data, "minmax")
    set_activation_grids_(network, {name: site.grid(bits) for site in read.sites for name in site.layers})
    return network


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_channels_leave_beside_quantized_activations(name: str, bits: int) -> None:
    network, shape, rows, expected = NETWORKS[name]
    x = images(shape)
    masked = on_grids(pruned(network, rows), x, bits)
    grids = activation_grids(masked)
    assert len(grids) == len([each for each in masked.modules() if isinstance(each, (nn.Linear, _ConvNd))])
    before = copy.deepcopy(masked)
    removal = remove_pruned(masked, x)
    assert {layer: removal.channels[layer] for layer in expected} == expected
    assert removal.deviation < 1e-4
    # Both still read rounded numbers, which the outputs show.
    assert activation_grids(removal.model) == activation_grids(masked) == grids
    with inference(masked), inference(removal.model), inference(before):
        made, wanted = forward(removal.model, x), forward(before, x)
        assert (made - wanted).abs().max() <= 1e-4 * wanted.abs().max()
        assert torch.equal(forward(masked, x), wanted)
        set_activation_grids_(before, {})
        assert (forward(before, x) - wanted).abs().max() > 1e-4 * wanted.abs().max()


def test_a_constant_is_rounded_before_it_goes_into_a_bias() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    network.get_parameter("0.weight").data[1] = 0.0
    network.get_parameter("0.bias").data[1] = 0.3
    network.get_parameter("2.weight").data[0, 1] = 2.0
    set_activation_grids_(network, {"2": ActivationGrid(4, 0.25, 0)})
    removal = remove_pruned(network, images((2,)))
    assert removal.channels == {"0": (1,)}
    shift = removal.model.get_parameter("2.bias") - network.get_parameter("2.bias")
    assert shift.item() == pytest.approx(0.5)  # twice 0.25, not twice 0.3


def test_a_constant_that_is_rounded_to_zero_may_meet_padding() -> None:
    network = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU(), nn.Conv2d(3, 2, 3, padding=1), nn.Flatten())
    network.get_parameter("0.weight").data[1] = 0.0
    network.get_parameter("0.bias").data[1] = 0.1
    x = images((1, 4, 4))
    assert not remove_pruned(network, x).channels
    set_activation_grids_(network, {"2": ActivationGrid(4, 0.25, 0)})
    removal = remove_pruned(network, x)
    assert removal.channels == {"0": (1,)}
    assert removal.deviation < 1e-5


class ByKeyword(nn.Module):
    """Layers that are called with keywords."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.last(input=functional.relu(self.first(input=x)))
        return made


@pytest.mark.parametrize("rounded", [False, True])
def test_layers_may_be_called_by_keyword(rounded: bool) -> None:
    x = images((4,))
    masked = pruned(ByKeyword(), {"first": [3]})
    removal = remove_pruned(on_grids(masked, x, 4) if rounded else masked, x)
    assert removal.channels == {"first": (3,)}
    assert removal.deviation < 1e-5


def _outputs(module: nn.Module) -> int:
    return int(getattr(module, "out_channels", getattr(module, "out_features", 0)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["norm", "depthwise"])
def test_the_result_is_a_plain_module(name: str) -> None:
    """It is exported by torch, saved, trained, and has the sizes of its tensors."""
    masked, x, removal = removed(name)
    assert [type(each) for each in removal.model.modules()] == [type(each) for each in masked.modules()]
    exported = torch.export.export(removal.model, (x,))
    assert torch.allclose(exported.module()(x), removal.model(x), atol=1e-5)
    torch.save(removal.model.state_dict(), io.BytesIO())
    removal.model(x).sum().backward()
    assert all(parameter.grad is not None for parameter in removal.model.parameters())


def test_the_given_network_is_not_changed() -> None:
    network, shape, rows, _ = NETWORKS["norm"]
    masked = pruned(network, rows)
    masked.get_submodule("0").get_parameter("weight").requires_grad_(False)
    before = copy.deepcopy(masked.state_dict())
    remove_pruned(masked, images(shape))
    assert all(torch.equal(tensor, masked.state_dict()[key]) for key, tensor in before.items())
    assert [parameter.requires_grad for parameter in masked.parameters()][:2] == [False, True]


def test_a_constant_that_meets_padding_stays_unless_asked() -> None:
    network = pruned(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 3, padding=1), nn.Flatten()), {"0": [2]})
    exact, rough = remove_pruned(network, images((3, 6, 6))), remove_pruned(network, images((3, 6, 6)), exact=False)
    assert exact.left == {"0": "1 pruned channel: they are constant, and 1 pads with zeros"}
    assert exact.deviation == 0.0
    assert rough.channels == {"0": (2,)}
    assert not rough.left
    # Inside, the constant is folded exactly; at the borders, it is not cut off any more.
    made, given = (each(images((3, 6, 6))).detach().view(4, 2, 6, 6) for each in (rough.model, network))
    assert torch.allclose(made[..., 1:-1, 1:-1], given[..., 1:-1, 1:-1], atol=1e-5)
    assert rough.deviation == pytest.approx(float((made - given).abs().max() / given.abs().max()), rel=1e-4)
    # A constant of zero may meet any padding.
    network.get_submodule("0").get_parameter("bias").data[2] = 0.0
    assert remove_pruned(network, images((3, 6, 6))).channels == {"0": (2,)}


def test_a_layer_gets_a_bias_where_it_needs_one() -> None:
    network = pruned(nn.Sequential(nn.Linear(4, 3), nn.Sigmoid(), nn.Linear(3, 2, bias=False)), {"0": [1]})
    removal = remove_pruned(network, images((4,)))
    assert removal.channels == {"0": (1,)}
    assert removal.model.get_submodule("2").get_parameter("bias").shape == (2,)
    assert removal.deviation < 1e-6


REFUSED: dict[str, tuple[nn.Module, tuple[int, ...], Mapping[str, list[int]], str]] = {
    "outputs": (nn.Sequential(nn.Linear(4, 3)), (4,), {"0": [1]}, "outputs of the network"),
    "all": (nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 2)), (4,), {"0": [0, 1]}, "a layer needs one"),
    "layer norm": (
        nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Linear(3, 2)),
        (4,),
        {"0": [1]},
        "1 (LayerNorm) mixes its channels",
    ),
    "groups": (
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1, groups=2), nn.Flatten()),
        (3, 4, 4),
        {"0": [1]},
        "1 (Conv2d) has groups of channels",
    ),
    "rearranged": (
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.PixelShuffle(2), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1), nn.Flatten()),
        (3, 4, 4),
        {"0": [5]},
        "they are padded or rearranged before",
    ),
    "fixed": (Fixed(), (3, 4, 4), {"one": [1]}, ""),
    "added": (Residual(), (3, 6, 6), {"outer": [1]}, "added to channels that are not pruned"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_channels_that_cannot_leave_are_named(name: str) -> None:
    network, shape, rows, reason = REFUSED[name]
    masked, x = pruned(network, rows), images(shape)
    removal = remove_pruned(masked, x)
    (layer,) = rows
    assert reason in removal.left[layer]
    assert removal.deviation < 1e-6
    assert len(removal.channels.get(layer, ())) == (1 if name == "all" else 0)


def test_a_layer_that_runs_twice_keeps_its_function() -> None:
    masked = pruned(Twice(), {"first": [1], "again": [1]})
    removal = remove_pruned(masked, images((4,)))
    assert removal.deviation < 1e-6


@pytest.mark.parametrize(
    ("pruned", "round_to", "left"), [(3, 4, 12), (4, 4, 8), (7, 4, 8), (9, 4, 4), (12, 4, 4), (3, 16, 12), (12, 1, 1)]
)
def test_layers_that_lose_channels_keep_a_multiple(pruned: int, round_to: int, left: int) -> None:
    torch.manual_seed(0)
    network, samples = nn.Sequential(nn.Linear(3, 12, bias=False), nn.ReLU(), nn.Linear(12, 2)), torch.randn(8, 3)
    network.get_parameter("0.weight").data[:pruned].zero_()
    removal = remove_pruned(network, samples, round_to=round_to)
    assert len(removal.model.get_parameter("0.weight")) == left
    assert torch.allclose(removal.model(samples), network(samples), atol=1e-6)
    stay = pruned - (12 - left)
    if stay:
        why = "a layer needs one" if round_to == 1 else f"they fill up a multiple of {round_to}"
        assert removal.left == {"0": f"{stay} pruned channel{'s' * (stay > 1)}: {why}"}


def test_a_multiple_is_at_least_one() -> None:
    with pytest.raises(OptionError, match="round_to must be at least 1, not 0"):
        remove_pruned(nn.Linear(3, 2), torch.randn(8, 3), round_to=0)


def test_a_network_that_cannot_be_traced_is_refused_in_one_line() -> None:
    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError(f"no such thing for {len(x)}\nsecond line")

    with pytest.raises(ModelError, match=r"^the network cannot be traced: RuntimeError: no such thing for 2$"):
        remove_pruned(Detached(), images((4,)))


class Recurrent(nn.Module):
    """Convolutions, and a cell that walks over time; torch-pruning fails at the gates of the cell."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, 6, 3, padding=1)
        self.second = nn.Conv1d(6, 4, 3, padding=1)
        self.cell = nn.LSTMCell(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, 2] of signals [N, 8]."""
        features, state = self.second(self.first(x[:, None]).relu()).relu(), None
        for step in range(features.shape[2]):
            state = self.cell(features[:, :, step], state)
        assert state is not None
        out: Tensor = self.head(state[0])
        return out


def test_what_cannot_be_followed_keeps_its_channels_alone() -> None:
    torch.manual_seed(0)
    network, inputs = Recurrent(), torch.randn(3, 8)
    groups = {group.name: group.obstacle for group in find_channel_groups(network, Inputs.of(inputs))}
    assert groups["first"] is None
    assert (groups["second"] or "").startswith("their way through the network cannot be followed: ")
    with torch.no_grad():
        network.first.weight[[1, 4]] = 0.0
        network.second.weight[0] = 0.0
    removal = remove_pruned(network, inputs)
    assert removal.channels == {"first": (1, 4)}
    assert "second" in removal.left
    torch.testing.assert_close(removal.model(inputs), network(inputs), atol=1e-5, rtol=0)


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch_pruning", None)
    with pytest.raises(MissingExtraError, match=r"qubo-dnn\[torch\]"):
        remove_pruned(nn.Sequential(nn.Linear(4, 2)), images((4,)))


def test_several_named_inputs() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image, self.vector, self.head = nn.Linear(4, 3), nn.Linear(2, 3), nn.Linear(3, 2)

        def forward(self, image: Tensor, *, vector: Tensor) -> dict[str, Tensor]:
            return {"logits": self.head(functional.relu(self.image(image) + self.vector(vector)))}

    masked = pruned(Two(), {"image": [2], "vector": [2]})
    removal = remove_pruned(masked, Inputs({0: images((4,)), "vector": images((2,))}))
    assert removal.channels == {"image": (2,), "vector": (2,)}
    assert removal.deviation < 1e-6


class Refusing(nn.Module):
    """A network whose code refuses other sizes, and whose output is an object of its own."""

    def __init__(self, refuses: bool) -> None:
        super().__init__()
        self.first, self.last, self.refuses = nn.Linear(4, 3), nn.Linear(3, 2), refuses

    def forward(self, x: Tensor) -> Answer:
        x = functional.relu(self.first(x))
        assert x.shape[1] == 3 or not self.refuses
        return Answer(self.last(x), x.argmax(1) * 0)


@dataclass
class Answer:
    """An output beside one that no weight has a gradient of."""

    logits: Tensor
    choice: Tensor


def test_outputs_may_be_objects_and_code_may_refuse_sizes_in_any_way() -> None:
    willing, refusing = (remove_pruned(pruned(Refusing(each), {"first": [1]}), images((4,))) for each in (False, True))
    assert willing.channels == {"first": (1,)}
    assert willing.deviation < 1e-6
    assert not refusing.channels
    assert refusing.left == {"first": "1 pruned channel: the network takes no smaller first"}
    assert refusing.deviation == 0.0

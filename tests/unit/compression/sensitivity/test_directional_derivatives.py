"""Derivatives of the outputs along every change against forward-mode ones, on every kind of layer and wiring."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.functional import jacobian
from torch.func import functional_call
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)
from torch.nn.utils import parametrizations

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.layer_usage import usage
from qubo_dnn.compression.network.layers import Inventory, find_layers
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.search import task_builder as measure
from qubo_dnn.compression.sensitivity.directional_derivatives import RecordedRun
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.options import Option, bit_widths
from qubo_dnn.errors import ModelError

OPTIONS = bit_widths(0, 2, 5)


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def words(*shape: int) -> Tensor:
    return torch.randint(7, shape, generator=torch.Generator().manual_seed(1))


def layer_changes(inventory: Inventory, granularity: str, options: tuple[Option, ...]) -> list[LayerChanges]:
    return measure.layer_changes(inventory, granularity, make_candidates(inventory, options))


def unit_columns(entry: LayerChanges) -> list[Tensor]:
    """The change of the whole weight for every unit and option, zero outside the unit."""
    layout = entry.layer.layout
    columns = []
    for first in range(0, entry.layer.channels, entry.group):
        for rows in layout.rows(entry.changes.double()):
            column = torch.zeros_like(rows)
            column[first : first + entry.group] = rows[first : first + entry.group]
            columns.append(layout.weight(column))
    return columns


def explicit(model: nn.Module, layers: list[LayerChanges], images: Tensor, probes: Tensor) -> Tensor:
    """[UK, N*P] from the definition, change by change, in double precision."""
    model = copy.deepcopy(model).double().eval()
    doubled = images.double() if images.is_floating_point() else images
    found = []
    for entry in layers:
        key = entry.layer.key

        def run(weight: Tensor, key: str = key) -> Tensor:
            outputs: Tensor = functional_call(model, {key: weight}, (doubled.clone(),))
            return outputs

        rows = jacobian(run, model.get_parameter(key).detach())  # type: ignore[no-untyped-call]  # torch has no types
        for column in unit_columns(entry):
            along = (rows * column).flatten(-column.dim()).sum(-1)
            found.append((probes.double() * along).flatten(2).sum(2).T.flatten())
    return torch.stack(found).detach()


def measured(model: nn.Module, layers: list[LayerChanges], images: Tensor) -> tuple[Tensor, Tensor]:
    """The derivatives and the two probes they are along."""
    run = RecordedRun.of(model, layers, images)
    probes = normal(2, *run.outputs.shape, seed=2)
    return run.derivatives(probes), probes


def as_used(inventory: Inventory, images: Tensor) -> Inventory:
    """The layers, all of which can be measured, each by what it is used by."""
    found = usage(inventory, Data.from_tensors(images.clone()))
    assert not found.unmeasurable
    return found.of(inventory)


def assert_exact(model: nn.Module, images: Tensor, granularity: str = "channel") -> None:
    layers = layer_changes(as_used(find_layers(model), images), granularity, OPTIONS)
    found, probes = measured(model, layers, images.clone())
    exact = explicit(model, layers, images, probes)
    assert exact.any()
    torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=1e-5 * float(exact.abs().max()))


def conv_net(conv: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, 3))


class Twice(nn.Module):
    """One convolution called twice, around a residual connection and an in-place activation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)), inplace=True)
        for _ in range(2):
            x = x + F.relu_(self.shared(x))
        logits: Tensor = self.head(input=x.mean((2, 3)))
        return logits


class Tokens(nn.Module):
    """Linear layers on inputs with a further axis, and their product."""

    def __init__(self) -> None:
        super().__init__()
        self.key, self.value, self.head = nn.Linear(4, 3), nn.Linear(4, 3, bias=False), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.key(x).softmax(1)
        logits: Tensor = self.head((weights * self.value(x)).sum(1))
        return logits


class Standardised(nn.Conv2d):
    """Its output is not linear in its weight."""

    def forward(self, x: Tensor) -> Tensor:
        mean, deviation = self.weight.mean((1, 2, 3), keepdim=True), self.weight.std((1, 2, 3), keepdim=True)
        y: Tensor = self._conv_forward(x, (self.weight - mean) / deviation, self.bias)
        return y


class SamePadded(nn.Conv2d):
    """Pads its input itself, as networks brought over from TensorFlow do, and computes something after."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(
            F.pad(x, (0, 1, 1, 2)), self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )
        return x * torch.sigmoid(x)


class FunctionalStem(nn.Module):
    """Reads the weights of its layers by functions, among them one with padding of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.same, self.head = nn.Conv2d(2, 3, 3), nn.Conv2d(3, 4, (4, 3), dilation=2), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(F.conv2d(x, self.stem.weight, self.stem.bias, padding=(1, 2)))
        x = torch.relu(F.conv2d(x, self.same.weight, self.same.bias, padding="same", dilation=2))
        return F.linear(x.mean((2, 3)), self.head.weight, bias=self.head.bias)


class Recurrent(nn.Module):
    """A recurrent layer in both directions, and its states."""

    def __init__(self, kind: Callable[..., nn.RNNBase], **options: Any) -> None:
        super().__init__()
        self.recurrent = kind(3, 4, batch_first=True, **options)
        self.head = nn.LazyLinear(3)
        self(torch.zeros(1, 5, 3))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(torch.tanh(self.recurrent(x)[0].mean(1)))
        return logits


class SequenceFirst(nn.Module):
    """Its layers have the images on the second axis."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(4, 2), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(0, 1)
        logits: Tensor = self.head(self.attention(x, x, x)[0]).mean(0)
        return logits


class CrossAttention(nn.Module):
    """Keys and values of other sizes, so that the in-projection is not joint."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, kdim=3, vdim=2, batch_first=True, add_bias_kv=True)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.attention(x, x[..., :3], x[..., :2])[0].mean(1)
        return outputs


class Words(nn.Module):
    """Token ids looked up in a table, whose rows are also those of the head if it is tied."""

    def __init__(self, tied: bool = False, bag: bool = False) -> None:
        super().__init__()
        self.embed = nn.EmbeddingBag(7, 4) if bag else nn.Embedding(7, 4, padding_idx=0)
        self.middle, self.head = nn.Linear(4, 4), nn.Linear(4, 7)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        x = torch.tanh(self.middle(x if x.dim() == 2 else x.cumsum(1).mean(1)))
        logits: Tensor = self.head(x)
        return logits


class Windows(nn.Module):
    """Patches of the image are folded into the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.head = nn.Linear(4, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        windows = torch.tanh(self.patch(x.reshape(-1, 4)))
        logits: Tensor = self.head(windows.reshape(len(x), -1, 3).mean(1))
        return logits


class Functional(nn.Module):
    """A weight without a module, and one that is used without its module and in two ways."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(normal(4, 4, seed=3))
        self.stem, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(torch.tanh(x @ self.matrix), self.stem.weight.T, self.stem.bias)
        logits: Tensor = self.head(self.stem(torch.tanh(x)))
        return logits


class TwoOfOne(nn.Module):
    """Two modules with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Linear(4, 4), nn.Linear(4, 4, bias=False), nn.Linear(4, 3)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.b(torch.tanh(self.a(x))))
        return logits


class Resized(nn.Sequential):
    """A transposed convolution that is asked for an output size."""

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self[1](self[0](x, output_size=[12, 11]).mean((2, 3)))
        return logits


def conv1d_net(conv: nn.Module, features: int) -> nn.Sequential:
    return nn.Sequential(conv, nn.GELU(), nn.Flatten(), nn.Linear(features, 3))


def conv3d_net(conv: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(channels, 3))


class Pairwise(nn.Bilinear):
    def __init__(self) -> None:
        super().__init__(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]  # one argument, twice
        y: Tensor = super().forward(x, x)
        return y


IMAGE, SIGNAL, VOLUME = (3, 2, 6, 6), (3, 2, 6), (3, 2, 4, 5, 4)
WORDS = (3, 5)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "stride and padding": (lambda: conv_net(nn.Conv2d(2, 3, 3, stride=2, padding=1), 3), IMAGE),
    "reflect": (lambda: conv_net(nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), 3), IMAGE),
    "replicate": (lambda: conv_net(nn.Conv2d(2, 3, 3, padding=1, padding_mode="replicate"), 3), IMAGE),
    "circular": (lambda: conv_net(nn.Conv2d(2, 3, 3, padding=(0, 2), padding_mode="circular"), 3), IMAGE),
    "same, dilated": (lambda: conv_net(nn.Conv2d(2, 3, 3, padding="same", dilation=2, bias=False), 3), IMAGE),
    "same, reflect": (lambda: conv_net(nn.Conv2d(2, 3, 4, padding="same", padding_mode="reflect"), 3), IMAGE),
    "groups": (lambda: conv_net(nn.Conv2d(2, 6, 3, groups=2), 6), IMAGE),
    "depthwise": (lambda: conv_net(nn.Conv2d(2, 4, (3, 1), groups=2), 4), IMAGE),
    "padded by itself": (lambda: conv_net(SamePadded(2, 4, 3, 2, groups=2, bias=False), 4), IMAGE),
    "functional convolutions": (FunctionalStem, IMAGE),
    "standardised": (lambda: conv_net(Standardised(2, 3, 3), 3), IMAGE),
    "transposed": (
        lambda: conv_net(nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=(1, 0)), 3),
        IMAGE,
    ),
    "transposed, groups": (
        lambda: conv_net(nn.ConvTranspose2d(2, 6, (3, 2), groups=2, dilation=(2, 1), bias=False), 6),
        IMAGE,
    ),
    "transposed, depthwise": (lambda: conv_net(nn.ConvTranspose2d(2, 2, 3, stride=2, groups=2), 2), IMAGE),
    "transposed to a size": (lambda: Resized(nn.ConvTranspose2d(2, 3, 2, stride=2), nn.Linear(3, 3)), (3, 2, 6, 5)),
    "conv1d": (lambda: conv1d_net(nn.Conv1d(2, 3, 3, stride=2), 6), SIGNAL),
    "conv1d, groups": (lambda: conv1d_net(nn.Conv1d(2, 4, 2, groups=2, dilation=2, padding=1), 24), SIGNAL),
    "transposed conv1d": (lambda: conv1d_net(nn.ConvTranspose1d(2, 4, 3, stride=2, groups=2), 52), SIGNAL),
    "conv3d": (lambda: conv3d_net(nn.Conv3d(2, 4, (2, 3, 1), groups=2, padding=(0, 1, 0)), 4), VOLUME),
    "transposed conv3d": (lambda: conv3d_net(nn.ConvTranspose3d(2, 3, 2, stride=(1, 2, 1)), 3), VOLUME),
    "linear": (lambda: nn.Sequential(nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Linear(5, 3)), (3, 4)),
    "linear on tokens": (Tokens, (3, 5, 4)),
    "lstm": (lambda: Recurrent(nn.LSTM), (3, 5, 3)),
    "lstm with a projection": (lambda: Recurrent(nn.LSTM, proj_size=2), (3, 5, 3)),
    "gru of two layers, both ways": (lambda: Recurrent(nn.GRU, num_layers=2, bidirectional=True), (3, 5, 3)),
    "rnn": (lambda: Recurrent(nn.RNN), (3, 5, 3)),
    "attention": (
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(4, 2, 6, batch_first=True, dropout=0.0), nn.Flatten(), nn.Linear(20, 3)
        ),
        (3, 5, 4),
    ),
    "attention, images second": (SequenceFirst, (3, 5, 4)),
    "attention between sizes": (CrossAttention, (3, 5, 4)),
    "embedding": (Words, WORDS),
    "embedding bag": (lambda: Words(bag=True), WORDS),
    "tied embedding": (lambda: Words(tied=True), WORDS),
    "two modules of one weight": (TwoOfOne, (3, 4)),
    "windows in the batch": (Windows, (3, 8)),
    "functional": (Functional, (3, 4)),
    "bilinear": (lambda: nn.Sequential(Pairwise(), nn.Tanh(), nn.Linear(3, 2)), (3, 4)),
    "orthogonal": (lambda: nn.Sequential(parametrizations.orthogonal(nn.Linear(4, 4)), nn.Linear(4, 3)), (3, 4)),
    "called twice": (Twice, IMAGE),
    "in-place on the images": (lambda: nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3)), (3, 4)),
}


def network(name: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    make, shape = NETWORKS[name]
    model = make()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.get_buffer("running_mean"), -0.5, 0.5)
            nn.init.uniform_(module.get_buffer("running_var"), 0.5, 2.0)
    return model.eval(), words(*shape) if shape is WORDS else normal(*shape)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_of_layer(name: str) -> None:
    assert_exact(*network(name))


@pytest.mark.parametrize("granularity", ["group:2", "group:3", "layer"])
def test_units_of_several_channels_add_their_channels_up(granularity: str) -> None:
    assert_exact(*network("called twice"), granularity)


@pytest.mark.parametrize(
    "middle",
    [
        nn.MaxPool2d(2),
        nn.AdaptiveMaxPool2d(3),
        nn.LPPool2d(2, 2),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.PixelShuffle(2),
        nn.GroupNorm(2, 4),
        nn.Hardswish(inplace=True),
        nn.PReLU(4),
        nn.Dropout(0.5),
    ],
    ids=lambda module: type(module).__name__,
)
def test_common_operations(middle: nn.Module) -> None:
    torch.manual_seed(0)
    pool = nn.AdaptiveAvgPool2d(1)
    outputs = middle.eval()(torch.zeros(1, 4, 6, 6)).shape[1]
    assert_exact(
        nn.Sequential(nn.Conv2d(2, 4, 1), middle, pool, nn.Flatten(), nn.Linear(outputs, 3)).eval(), normal(*IMAGE)
    )


def test_operation_without_a_batching_rule() -> None:
    """A custom function that vmap refuses."""

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:  # noqa: ARG004 (torch's signature)
            return 2 * x

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:  # noqa: ARG004
            return 2 * gradient

    class Custom(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            doubled: Tensor = Double.apply(x)  # type: ignore[no-untyped-call]  # torch has no types here
            return doubled

    torch.manual_seed(0)
    first, last = nn.Linear(4, 4), nn.Linear(4, 3)
    images, doubled = normal(3, 4), copy.deepcopy(last)
    with torch.no_grad():
        doubled.weight.mul_(2)
    custom, plain = nn.Sequential(first, Custom(), last), nn.Sequential(first, doubled)
    changes = layer_changes(find_layers(custom), "channel", OPTIONS)
    ours, theirs = (measured(model, changes[:1], images)[0] for model in (custom, plain))
    torch.testing.assert_close(ours, theirs)


def test_input_that_is_overwritten_after_the_call() -> None:
    class Overwriting(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            y = x.clone()
            z = self[0](y)
            y.zero_()
            logits: Tensor = self[2](self[1](z))
            return logits

    model, images = network("linear")
    assert isinstance(model, nn.Sequential)
    layers = layer_changes(find_layers(model), "channel", OPTIONS)
    ours, theirs = (measured(each, layers, images.clone())[0] for each in (Overwriting(*model), model))
    assert torch.equal(ours, theirs)


def test_hook_of_the_network_that_changes_an_output() -> None:
    model, images = network("linear")
    model.get_submodule("0").register_forward_hook(lambda _module, _inputs, output: output * output)
    assert_exact(model, images)


class TestChangesThatNeedNoConvolution:
    """Options that change nothing, and the removal of layers without a bias."""

    @pytest.mark.parametrize("bias", [False, True])
    @pytest.mark.parametrize("transposed", [False, True])
    def test_are_exact(self, bias: bool, transposed: bool) -> None:
        torch.manual_seed(0)
        kind = nn.ConvTranspose2d if transposed else nn.Conv2d
        model, images = conv_net(kind(2, 3, 2, bias=bias), 3).eval(), normal(*IMAGE)
        candidates = make_candidates(find_layers(model), OPTIONS)
        with torch.no_grad():
            for layer in find_layers(model).layers:
                layer.weight.copy_(candidates.weights(layer.name)[1])
        layers = measure.layer_changes(find_layers(model), "channel", candidates)
        assert [(entry.removal, entry.effective) for entry in layers] == [(0, [0, 2])] * 2
        found, probes = measured(model, layers, images)
        exact = explicit(model, layers, images, probes)
        torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=1e-5 * float(exact.abs().max()))
        assert not found[1::3].any()


class Unused(nn.Module):
    """One layer is never called, and the outputs of two lead nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.uncalled, self.dropped, self.early, self.head = (nn.Linear(4, 3) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        self.dropped(x)
        with_gradient = self.early(x)
        logits: Tensor = self.head(x) + 0 * with_gradient.detach()
        return logits


def test_layers_without_influence_have_zero_rows() -> None:
    torch.manual_seed(0)
    model = Unused()
    layers = layer_changes(find_layers(model), "channel", OPTIONS)
    images = normal(3, 4)
    found, probes = measured(model, layers, images)
    rows = 3 * len(OPTIONS)
    assert not found[: 3 * rows].any()
    exact = explicit(model, layers[3:], images, probes)
    torch.testing.assert_close(found[3 * rows :].double(), exact, rtol=1e-4, atol=1e-5)


class Chain(nn.Sequential):
    """Its `forward` has types, which torch's has not."""

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = super().forward(x)  # type: ignore[no-untyped-call]  # torch has no types here
        return outputs


class TestRefused:
    def test_single_image_without_a_batch_axis(self) -> None:
        class One(Chain):
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x[0])[None].expand(len(x), -1)

        model = One(nn.Linear(2, 3))
        layers = layer_changes(find_layers(model), "channel", OPTIONS)
        with pytest.raises(ModelError, match=r"layer '0' with an input of shape \(2,\) for 2 images"):
            RecordedRun.of(model, layers, normal(2, 2))

    def test_network_under_no_grad(self) -> None:
        class Frozen(Chain):
            @torch.no_grad()
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x)

        model = Frozen(nn.Linear(4, 3))
        with pytest.raises(ModelError, match="the layer '0' without gradients"):
            RecordedRun.of(model, layer_changes(find_layers(model), "channel", OPTIONS), normal(2, 4))

    def test_network_that_overwrites_what_its_gradient_needs(self) -> None:
        class Overwrites(Chain):
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x).sigmoid().mul_(2)

        model = Overwrites(nn.Linear(4, 3))
        with pytest.raises(ModelError, match="backward pass fails: RuntimeError: one of the variables"):
            measured(model, layer_changes(find_layers(model), "channel", OPTIONS), normal(2, 4))

    def test_detached_logits(self) -> None:
        class Detached(Chain):
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x).detach()

        model = Detached(nn.Linear(4, 3))
        with pytest.raises(ModelError, match="no gradient of the outputs"):
            RecordedRun.of(model, layer_changes(find_layers(model), "channel", OPTIONS), normal(2, 4))

    def test_batch_axis_that_is_not_the_images(self) -> None:
        class Patches(Chain):
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x.reshape(-1, 2)).reshape(len(x), -1)

        model = Patches(nn.Linear(2, 3))
        with pytest.raises(ModelError, match=r"layer '0' with an input of shape \(4, 2\) for 2 images"):
            RecordedRun.of(model, layer_changes(find_layers(model), "channel", OPTIONS), normal(2, 4))

    def test_gradient_that_is_not_finite(self) -> None:
        class Root(Chain):
            def forward(self, x: Tensor) -> Tensor:
                return (0 * super().forward(x)).sqrt()

        model = Root(nn.Linear(4, 3))
        layers = layer_changes(find_layers(model), "channel", OPTIONS)
        with pytest.raises(ModelError, match="derivatives of the network's outputs are not finite"):
            measured(model, layers, normal(4, 4))

"""Random small networks: what is measured is J^T H J, however layers are wired, shared, strided or grouped."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd.functional import jacobian
from torch.func import functional_call
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import BinaryCrossEntropy, Cosine, CrossEntropy, Huber, Loss, SquaredError
from qubo_dnn.compression.network.layer_usage import usage
from qubo_dnn.compression.network.layers import Layer, find_layers
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.search.task_builder import layer_changes
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.options import bit_widths
from tests.drawn import drawn

pytestmark = pytest.mark.slow

OPTIONS = bit_widths(0, 2, 4)
CHANNELS, LENGTH = 4, 6
LOSSES: list[Loss] = [CrossEntropy(), CrossEntropy(-1), BinaryCrossEntropy(), SquaredError(), Huber(), Cosine()]


class Block(nn.Module):
    """Keeps the shape [N, 4, 6]; `kind` says what it does."""

    def __init__(self, kind: str, stride: int, groups: int) -> None:
        super().__init__()
        self.kind = kind
        if kind == "convolution":
            self.down = nn.Conv1d(CHANNELS, CHANNELS, 3, stride, 1, groups=groups)
            self.up = nn.ConvTranspose1d(CHANNELS, CHANNELS, stride, stride, groups=groups)
        elif kind == "linear":
            self.linear = nn.Linear(LENGTH, LENGTH, bias=groups > 1)
        elif kind == "recurrent":
            self.recurrent = nn.GRU(CHANNELS, CHANNELS // stride, bidirectional=stride == 2, batch_first=True)
        elif kind == "attention":
            self.attention = nn.MultiheadAttention(CHANNELS, groups)
        else:
            self.weight = nn.Parameter(torch.randn(CHANNELS, CHANNELS))

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "convolution":
            return torch.as_tensor(self.up(torch.tanh(self.down(x))))
        if self.kind == "linear":
            return torch.as_tensor(self.linear(x))
        if self.kind == "recurrent":
            return torch.as_tensor(self.recurrent(x.mT)[0].mT)
        if self.kind == "attention":
            sequence = x.permute(2, 0, 1)
            return torch.as_tensor(self.attention(sequence, sequence, sequence)[0].permute(1, 2, 0))
        return F.conv1d(x, self.weight[:, :, None])


class Chain(nn.Module):
    """Blocks, each called as often as its number says, with a residual connection or not."""

    def __init__(self, blocks: list[Block], calls: list[int], residual: bool) -> None:
        super().__init__()
        self.blocks, self.calls, self.residual = nn.ModuleList(blocks), calls, residual

    def forward(self, x: Tensor) -> Tensor:
        for block, count in zip(self.blocks, self.calls, strict=True):
            for _ in range(count):
                y = torch.tanh(block(x))
                x = x + y if self.residual else y
        return x


KINDS = ["convolution", "linear", "recurrent", "attention", "functional"]


@st.composite
def networks(draw: st.DrawFn) -> nn.Module:
    torch.manual_seed(draw(st.integers(0, 99)))
    count = draw(st.integers(1, 2))
    blocks = [
        Block(draw(st.sampled_from(KINDS)), draw(st.sampled_from([1, 2])), draw(st.sampled_from([1, 2])))
        for _ in range(count)
    ]
    if count == 2 and draw(st.booleans()):
        # One weight of two modules, or of a module and a function.
        blocks[1] = copy.deepcopy(blocks[0])
        for module, other in zip(blocks[0].modules(), blocks[1].modules(), strict=True):
            for name, weight in list(module.named_parameters(recurse=False)):
                setattr(other, name, weight)
    return Chain(blocks, [draw(st.integers(1, 2)) for _ in blocks], draw(st.booleans())).eval()


def along(model: nn.Module, layer: Layer, entry: LayerChanges, images: Tensor) -> Tensor:
    """[N, D, UK] derivatives of the outputs along every change, from the whole Jacobian in double precision."""
    model = copy.deepcopy(model).double()

    def run(weight: Tensor) -> Tensor:
        outputs: Tensor = functional_call(model, {layer.key: weight}, (images.double(),))
        return outputs.flatten(1)

    rows = jacobian(run, model.get_parameter(layer.key).detach())  # type: ignore[no-untyped-call]  # torch has no types
    products = (layer.rows(rows)[:, :, :, None] * layer.rows(entry.changes.double()).transpose(0, 1)).sum(-1)
    units = torch.arange(layer.channels) // entry.group
    summed = products.new_zeros(*products.shape[:2], entry.units, products.shape[3]).index_add_(2, units, products)
    return summed.flatten(2)


def exact_hessian(loss: Loss, outputs: Tensor) -> Tensor:
    """[N, D, D] Hessian of the divergence from the outputs, by automatic differentiation, image by image."""
    of: Callable[[Tensor, Tensor], Tensor] = loss
    if isinstance(loss, CrossEntropy):

        def of(z: Tensor, reference: Tensor) -> Tensor:
            axis = loss.axis if loss.axis == 1 else 2
            log = z.log_softmax(axis)
            return -(reference.softmax(axis) * log).sum(axis).mean()

    elif isinstance(loss, BinaryCrossEntropy):

        def of(z: Tensor, reference: Tensor) -> Tensor:
            return loss(z, reference.sigmoid())

    found = []
    for each in outputs.double():
        size = each.numel()
        found.append(
            torch.autograd.functional.hessian(lambda z, e=each: of(z[None], e[None]), each).reshape(size, size)  # type: ignore[no-untyped-call]
        )
    return torch.stack(found)


@settings(max_examples=drawn(12), deadline=None, derandomize=True)
@given(networks(), st.sampled_from(LOSSES), st.sampled_from(["channel", "layer"]))
def test_the_factor_is_the_gauss_newton_matrix(model: nn.Module, loss: Loss, granularity: str) -> None:
    images = torch.randn(3, CHANNELS, LENGTH, generator=torch.Generator().manual_seed(1))
    data = Data.from_tensors(images, torch.zeros(3, CHANNELS, LENGTH))
    if isinstance(loss, CrossEntropy):
        data = Data.from_tensors(images, torch.zeros(3, LENGTH if loss.axis == 1 else CHANNELS).long())
    inventory = find_layers(model)
    used = usage(inventory, data)
    assert not used.unmeasurable
    inventory = used.of(inventory)
    changes = layer_changes(inventory, granularity, make_candidates(inventory, OPTIONS))
    found = gauss_newton(model, changes, data, loss=loss).matrix
    assert found is not None
    jacobians = torch.cat([along(model, entry.layer, entry, images) for entry in changes], 2)
    with torch.no_grad():
        hessians = exact_hessian(loss, model(images))
    expected = (jacobians.mT @ hessians @ jacobians).mean(0)
    torch.testing.assert_close(
        torch.from_numpy(found).double(), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max())
    )


@settings(max_examples=drawn(12), deadline=None, derandomize=True)
@given(networks())
def test_every_weight_is_one_layer_and_images_do_not_mix(model: nn.Module) -> None:
    """Each parameter that is a matrix is listed once, and measuring leaves the network as it was."""
    images = torch.randn(4, CHANNELS, LENGTH, generator=torch.Generator().manual_seed(1))
    state = {key: value.clone() for key, value in model.state_dict().items()}
    inventory = find_layers(model)
    assert {id(layer.weight) for layer in inventory.layers} == {id(p) for p in model.parameters() if p.dim() > 1}
    data = Data.from_tensors(images, torch.zeros(4, CHANNELS, LENGTH))
    names = [layer.name for layer in inventory.layers]
    parts = []
    for some in (data, *data.split(1, seed=0)):
        chosen = usage(inventory, data).of(find_layers(model))
        changes = layer_changes(chosen, "layer", make_candidates(chosen, OPTIONS))
        parts.append(torch.from_numpy(gauss_newton(model, changes, some, loss=SquaredError()).matrix))
    torch.testing.assert_close(4 * parts[0], parts[1] + 3 * parts[2], rtol=1e-3, atol=1e-3 * float(parts[0].max()))
    assert len(set(names)) == len(names)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())

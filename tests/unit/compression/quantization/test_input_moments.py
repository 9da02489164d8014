"""Second moments against the layers themselves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.layers import Layer, find_layers
from qubo_dnn.compression.quantization.input_moments import columns, groups, second_moments

CASES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "conv": (nn.Conv2d(3, 4, 3, padding=1), (3, 6, 5)),
    "conv without padding": (nn.Conv2d(3, 4, (3, 2)), (3, 6, 5)),
    "strided": (nn.Conv2d(3, 4, 3, stride=2, padding=1), (3, 7, 6)),
    "dilated": (nn.Conv2d(3, 4, 3, dilation=2, padding=2, stride=(1, 2)), (3, 7, 9)),
    "grouped": (nn.Conv2d(4, 6, 3, groups=2), (4, 5, 5)),
    "depthwise": (nn.Conv2d(4, 8, 3, groups=4, bias=False), (4, 5, 5)),
    "same, even kernel": (nn.Conv2d(3, 2, 4, padding="same"), (3, 6, 6)),
    "reflect": (nn.Conv2d(3, 2, 3, padding=1, padding_mode="reflect"), (3, 6, 6)),
    "circular": (nn.Conv1d(3, 2, 3, padding=2, padding_mode="circular"), (3, 6)),
    "conv1d": (nn.Conv1d(3, 2, 5, stride=2), (3, 11)),
    "conv3d": (nn.Conv3d(2, 3, 2, stride=(1, 2, 1)), (2, 4, 5, 3)),
    "linear": (nn.Linear(5, 3), (5,)),
    "linear on sequences": (nn.Linear(5, 3), (4, 5)),
    "transposed": (nn.ConvTranspose2d(4, 3, 3), (4, 3, 4)),
    "transposed, strided": (nn.ConvTranspose2d(4, 6, (3, 2), stride=2, padding=1, groups=2), (4, 4, 5)),
    "transposed, dilated": (nn.ConvTranspose1d(4, 2, 3, stride=3, dilation=2, padding=2, output_padding=1), (4, 5)),
    "transposed, padded beyond the kernel": (nn.ConvTranspose1d(2, 2, 2, padding=3), (2, 9)),
    "transposed depthwise": (nn.ConvTranspose3d(2, 2, 2, stride=2, groups=2), (2, 2, 3, 2)),
}


def layer_of(module: nn.Module) -> Layer:
    (layer,) = find_layers(module).layers
    return layer


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def through_columns(layer: Layer, inputs: Tensor, output: Tensor) -> Tensor:
    """Rows of weights times columns, [channels, positions of all images]."""
    rows = layer.rows(layer.weight.detach()).reshape(groups(layer), -1, layer.weights_per_channel)
    return (rows @ columns(layer, inputs, output)).flatten(0, 1)


def by_channel(layer: Layer, output: Tensor) -> Tensor:
    """[channels, positions of all images] of an output without its bias."""
    axis = output.dim() - 1 if isinstance(layer.module, nn.Linear) else 1
    bias = layer.module.bias
    assert bias is None or isinstance(bias, Tensor)
    rows = output.movedim(axis, 0).flatten(1)
    return rows if bias is None else rows - bias[:, None]


@pytest.mark.parametrize("name", CASES)
def test_weights_times_columns_are_the_output(name: str) -> None:
    module, shape = CASES[name]
    layer, inputs = layer_of(module), gaussian(2, *shape)
    with torch.no_grad():
        output = module(inputs)
        expected = by_channel(layer, output)
        torch.testing.assert_close(through_columns(layer, inputs, output), expected, rtol=1e-4, atol=1e-5)


def test_an_output_size_asked_for_is_kept() -> None:
    module, inputs = nn.ConvTranspose2d(2, 3, 3, stride=2), gaussian(1, 2, 4, 4)
    layer = layer_of(module)
    with torch.no_grad():
        output = module(inputs, output_size=(10, 9))
        torch.testing.assert_close(through_columns(layer, inputs, output), by_channel(layer, output))


class Twice(nn.Module):
    """Calls one layer twice and another never."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.idle, self.head = nn.Linear(4, 4), nn.Linear(4, 2), nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.shared(self.shared(input=images)))
        return logits


def test_moments_are_sums_over_positions_and_calls_and_means_over_images() -> None:
    torch.manual_seed(0)
    model, inputs = Twice().train(), gaussian(70, 4)
    layers = find_layers(model).layers
    steps: list[int] = []
    moments = second_moments(
        model, layers, Data.from_tensors(inputs, torch.arange(70) % 3), lambda: steps.append(len(steps))
    )
    with torch.no_grad():
        hidden = model.shared(inputs)
        last = model.shared(hidden)
    expected = [(inputs.T @ inputs + hidden.T @ hidden) / 70, torch.zeros(4, 4), last.T @ last / 70]
    for moment, wanted in zip(moments, expected, strict=True):
        torch.testing.assert_close(moment, wanted[None])
    assert len(steps) == 3
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())


def test_small_parts_of_a_batch_add_up_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.Flatten(), nn.Linear(4 * 9, 3))
    layers = find_layers(model).layers
    data = Data.from_tensors(gaussian(9, 2, 5, 5), torch.arange(9) % 3)
    whole = second_moments(model, layers, data)
    monkeypatch.setattr("qubo_dnn.compression.quantization.input_moments._COLUMN_BYTES", 1)
    for part, all_at_once in zip(second_moments(model, layers, data), whole, strict=True):
        torch.testing.assert_close(part, all_at_once)

"""Losses of removing many channels, with what stays making up for them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import SquaredError
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.removal.channel_groups import find_channel_groups
from qubo_dnn.compression.removal.readers import find_readers
from qubo_dnn.compression.search.task_builder import layer_changes
from qubo_dnn.compression.sensitivity import many_channels
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.sensitivity.large_changes import measure_nonlinearity
from qubo_dnn.compression.sensitivity.many_channels import LinearPrediction, input_covariances, removal_ratios
from qubo_dnn.compression.sensitivity.removed_channels import ReadChannels, read_channels
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.options import bit_widths

OPTIONS = bit_widths(0, 32)


def images(*shape: int) -> Tensor:
    return torch.randn(40, *shape, generator=torch.Generator().manual_seed(0))


def entry_of(model: nn.Sequential, data: Data, granularity: str = "channel") -> LayerChanges:
    """The first layer, and the channels that the next one reads."""
    inventory = find_layers(model)
    groups = find_channel_groups(model, next(data.batches(2))[0])
    readers = find_readers(model, groups, {layer.name for layer in inventory.layers})
    found = layer_changes(
        inventory, granularity, make_candidates(inventory, OPTIONS), read_channels(model, readers, data)
    )
    return found[0]


def with_equal_channels() -> nn.Sequential:
    """Eight channels in front of a ReLU: the first six are equal, the last two are not."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 8, 3), nn.ReLU(), nn.Conv2d(8, 3, 3), nn.Flatten())
    with torch.no_grad():
        for name in ("weight", "bias"):
            made = model[0].get_parameter(name)
            made[:6] = made[:1].clone()
        model[2].get_parameter("weight").fill_(0.1)
    return model.eval()


@pytest.mark.parametrize(("axis", "shape"), [(1, (3, 4, 5)), (-1, (4, 3))])
def test_covariances_are_those_of_the_inputs(axis: int, shape: tuple[int, ...]) -> None:
    x = images(*shape)
    rows = x.movedim(axis, -1).reshape(-1, 3)
    model = nn.Sequential(nn.Conv2d(3, 1, 1) if axis == 1 else nn.Linear(3, 1))
    read = ReadChannels("0", axis, torch.arange(3), rows.mean(0))
    found = input_covariances(model, [read, read], Data.from_tensors(x))
    assert found["0"].numpy() == pytest.approx(np.cov(rows.T.numpy(), bias=True), abs=1e-5)


def test_the_prediction_is_that_of_least_squares_from_what_stays() -> None:
    """Position 3 is another layer's, and always stays; positions 1 and 2 are of one channel."""
    rows = images(4) @ torch.randn(4, 4, generator=torch.Generator().manual_seed(1))
    read = ReadChannels("0", 1, torch.tensor([0, 1, 1, 9]), rows.mean(0))
    covariance = input_covariances(nn.Sequential(nn.Linear(4, 1)), [read], Data.from_tensors(rows))["0"]
    found = LinearPrediction(read, covariance)(rows, torch.tensor([False, True]))
    known = torch.cat([rows[:, [0, 3]], torch.ones(40, 1)], 1)
    wanted = known @ torch.linalg.lstsq(known, rows[:, [1, 2]]).solution
    assert found[:, [0, 3]].equal(rows[:, [0, 3]])
    assert found[:, [1, 2]].allclose(wanted, atol=0.02)
    assert not found[:, [1, 2]].allclose(rows[:, [1, 2]], atol=0.1)


@pytest.mark.parametrize("covariance", [None, torch.zeros(2, 2).double()])
def test_means_are_predicted_where_nothing_else_is_known(covariance: Tensor | None) -> None:
    read = ReadChannels("0", 1, torch.arange(2), torch.tensor([1.0, 2.0]))
    found = LinearPrediction(read, covariance)(torch.tensor([[5.0, 6.0]]), torch.tensor([False, True]))
    assert found.tolist() == [[5.0, 2.0]]


def test_wide_layers_have_no_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_channels, "_WIDEST", 2)
    reads = [ReadChannels(str(n), 1, torch.arange(n + 2), torch.zeros(n + 2)) for n in range(2)]
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    assert list(input_covariances(model, reads, Data.from_tensors(images(2)))) == ["0"]


def test_ratios_do_not_fall_in_the_order_in_which_units_leave() -> None:
    """Three units of two channels leave, and add 0, 0.6 and 0.3."""
    model = nn.Sequential(nn.Linear(3, 6), nn.Linear(6, 1))
    entry = LayerChanges(find_layers(model).layers[0], 2, torch.zeros(2, 6, 3))
    seen: list[list[int]] = []

    class Recorded(LinearPrediction):
        def __call__(self, inputs: Tensor, removed: Tensor) -> Tensor:
            seen.append(removed.nonzero()[:, 0].tolist())
            return inputs

    recorded = Recorded(ReadChannels("1", 1, torch.arange(6), torch.zeros(6)), None)
    losses = iter([0.0, 0.6, 0.9])

    def divergence() -> float:
        model(torch.zeros(1, 3))
        return next(losses)

    found = removal_ratios(model, entry, np.array([0.3, 0.1, 0.2]), [recorded], divergence)
    assert seen == [[2, 3], [2, 3, 4, 5], [0, 1, 2, 3, 4, 5]]
    assert found == pytest.approx([0.9 / 0.5, 0.01, 0.9 / 0.5])


def test_channels_that_others_stand_in_for_cost_little_and_the_last_ones_much() -> None:
    model = with_equal_channels()
    data = Data.from_tensors(images(2, 6, 6), torch.zeros(40, 12))
    entry = entry_of(model, data)
    loss = SquaredError()
    sensitivity = gauss_newton(model, [entry], data, loss=loss)
    ratio = measure_nonlinearity(model, [entry], OPTIONS, sensitivity, data, loss=loss)[:, 0]
    single = sensitivity.diagonal()[::2] / 2
    equal = np.sort(ratio[:6])
    assert equal[:5] == pytest.approx(np.full(5, 0.01))
    assert equal[5] > 0.5
    # In all, the units add up to the loss of a layer whose channels are all at their means.
    _, judged = data.split(30, 0)
    read = entry.reads[0]
    with torch.no_grad():
        x = next(judged.batches())[0].only
        emptied = model[2:](read.without(model[:2](x), torch.ones(8, dtype=torch.bool)))
    assert float(ratio @ single) >= 0.99 * loss.divergence(logits(model, judged), emptied, judged.targets)

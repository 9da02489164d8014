"""The removal of channels, measured where they are read, against the network with its channels taken away."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.autograd.functional import jvp

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY, SquaredError
from qubo_dnn.compression.network.hooks import replacing_inputs
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.candidates import make_candidates
from qubo_dnn.compression.removal.channel_groups import Use, find_channel_groups
from qubo_dnn.compression.removal.readers import find_readers
from qubo_dnn.compression.search.task_builder import layer_changes
from qubo_dnn.compression.sensitivity.checkpoint import fingerprint
from qubo_dnn.compression.sensitivity.directional_derivatives import RecordedRun
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.sensitivity.large_changes import measure_nonlinearity
from qubo_dnn.compression.sensitivity.removed_channels import read_channels
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.options import bit_widths

OPTIONS = bit_widths(0, 3)


class Net(nn.Module):
    """Channels of `inside` are read by two convolutions, those of `flat` by a Linear, at several features each."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.norm = nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.one, self.other = nn.Conv2d(4, 3, 3, padding=1), nn.Conv2d(4, 3, 1)
        self.flat, self.head = nn.Conv2d(3, 2, 3), nn.Linear(2 * 9, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu_(self.norm(self.inside(x)))
        y = torch.tanh(self.flat(self.one(y) + self.other(y)))
        out: Tensor = self.head(y.flatten(1))
        return out


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    network = Net()
    # Every channel is cut off by the ReLU at some positions, and at others not.
    for name in ("weight", "bias"):
        nn.init.uniform_(getattr(network.norm, name), 0.3, 1.0)
    return network.eval()


@pytest.fixture
def images() -> Data:
    return Data.from_tensors(torch.randn(6, 2, 5, 5, generator=torch.Generator().manual_seed(1)), torch.arange(6) % 3)


def changes_of(model: nn.Module, data: Data, granularity: str = "channel") -> list[LayerChanges]:
    inventory = find_layers(model)
    groups = find_channel_groups(model, next(data.batches(2))[0])
    readers = find_readers(model, groups, {layer.name for layer in inventory.layers})
    assert {name: [use.name for use in uses] for name, uses in readers.items()} == {
        "inside": ["one", "other"],
        "flat": ["head"],
    }
    reads = read_channels(model, readers, data)
    return layer_changes(inventory, granularity, make_candidates(inventory, OPTIONS), reads)


def without(model: nn.Module, x: Tensor, entry: LayerChanges, channels: list[int], amount: Tensor) -> Tensor:
    """The outputs, with channels moved towards their means wherever they are read, from the definition."""

    def change(given: Tensor, means: Tensor, places: list[int]) -> Tensor:
        axis = 1
        mask = torch.zeros(given.shape[axis], dtype=torch.bool)
        mask[places] = True
        shape = [-1 if each == axis else 1 for each in range(given.dim())]
        moved = given - amount * (given - means.to(given).view(shape))
        return torch.where(mask.view(shape), moved, given)

    read_by: Mapping[str, list[tuple[str, int]]] = {"inside": [("one", 1), ("other", 1)], "flat": [("head", 9)]}
    means = {read.name: read.means for read in entry.reads}
    hooks = [
        (
            model.get_submodule(name),
            lambda given, name=name, width=width: change(
                given, means[name], [width * channel + n for channel in channels for n in range(width)]
            ),
        )
        for name, width in read_by[entry.layer.name]
    ]
    with replacing_inputs(hooks):
        out: Tensor = model(x)
    return out


@pytest.mark.parametrize("granularity", ["channel", "group:2"])
def test_derivatives_are_those_of_the_outputs(model: nn.Module, images: Data, granularity: str) -> None:
    entries = changes_of(model, images, granularity)
    x = next(images.batches())[0].only
    probes = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(2))
    found = RecordedRun.of(model, entries, x).derivatives(probes)
    plain = [LayerChanges(entry.layer, entry.group, entry.changes) for entry in entries]
    of_weights = RecordedRun.of(model, plain, x).derivatives(probes)
    exact = copy.deepcopy(model).double()
    row = 0
    for entry in entries:
        for unit in range(entry.units):
            channels = list(range(entry.layer.channels))[unit * entry.group : (unit + 1) * entry.group]
            if entry.reads:
                _, along = jvp(  # type: ignore[no-untyped-call]  # torch's own
                    lambda t, entry=entry, channels=channels: without(exact, x.double(), entry, channels, t),
                    torch.zeros((), dtype=torch.float64),
                    torch.ones((), dtype=torch.float64),
                )
                wanted = torch.einsum("pnc,nc->np", probes.double(), along).flatten()
                assert found[row].double().allclose(wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
                assert not found[row].allclose(of_weights[row], rtol=1e-2)
            else:
                assert found[row].equal(of_weights[row])
            # The other option is a change of weights.
            assert found[row + 1].allclose(of_weights[row + 1], rtol=1e-5, atol=1e-6)
            row += 2


def test_a_channel_that_does_not_vary_costs_nothing(model: nn.Module, images: Data) -> None:
    with torch.no_grad():
        norm = model.get_submodule("norm")
        norm.get_parameter("weight")[1] = 0.0
        norm.get_parameter("bias")[1] = 2.0
    diagonal = gauss_newton(model, changes_of(model, images), images).diagonal()
    assert diagonal[2] < 1e-8 < diagonal[0]


def test_a_single_value_has_no_mean_to_vary_around() -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    readers = {"0": [Use("2", reads=True, places=((0,), (1,)))]}
    found = [read_channels(network, readers, Data.from_tensors(torch.eye(3)[:count])) for count in (1, 2)]
    assert [list(each) for each in found] == [[], ["0"]]


def test_large_removals_are_those_that_the_sensitivity_is_of(model: nn.Module, images: Data) -> None:
    """Layers of one unit: nothing that stays says anything of the channels, and these are at their means."""
    entries = changes_of(model, images, "layer")
    loss = SquaredError()
    data = Data.from_tensors(next(images.batches())[0].only, torch.zeros(6, 3))
    sensitivity = gauss_newton(model, entries, data, loss=loss)
    heard: list[tuple[int, int]] = []
    ratio = measure_nonlinearity(
        *(model, entries, OPTIONS, sensitivity, data), loss=loss, progress=lambda *counts: heard.append(counts)
    )
    assert heard == [(n, len(entries)) for n in range(1, len(entries) + 1)]
    _, judged = data.split(5, 0)
    for unit, entry in enumerate(entries):
        if entry.reads:
            changed = without(
                model, next(judged.batches())[0].only, entry, list(range(4)[: entry.layer.channels]), torch.ones(())
            )
            actual = loss.divergence(logits(model, judged), changed.detach(), judged.targets)
            assert ratio[unit, 0] == pytest.approx(actual / (sensitivity.diagonal()[2 * unit] / 2), rel=1e-4)


def test_a_measurement_knows_where_it_was_made(model: nn.Module, images: Data) -> None:
    entries = changes_of(model, images)
    plain = [LayerChanges(entry.layer, entry.group, entry.changes) for entry in entries]
    prints = [fingerprint(model, each, images, None, {}) for each in (entries, plain)]
    assert prints[0]["changes"] != prints[1]["changes"]
    assert prints[0]["network"] == prints[1]["network"]


def test_a_measurement_resumes(model: nn.Module, images: Data, tmp_path: Path) -> None:
    entries, file = changes_of(model, images), tmp_path / "sums.safetensors"
    whole = gauss_newton(model, entries, images, loss=CROSS_ENTROPY, batch_size=2)
    for _ in range(2):
        found = gauss_newton(model, entries, images, loss=CROSS_ENTROPY, batch_size=2, checkpoint=file)
        assert found.matrix is not None
        assert whole.matrix is not None
        assert np.array_equal(found.matrix, whole.matrix)

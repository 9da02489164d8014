"""What is known about a network before it is compressed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

import qubo_dnn as qd
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.inspection.measurement_cost import MeasurementCost, measurement_cost
from qubo_dnn.compression.inspection.network import inspect_network
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.search.loss_modeller import bytes_of_pairs
from qubo_dnn.compression.search.progress import CompressionReporter, SilentReporter
from qubo_dnn.compression.sensitivity.accumulator import GIB, Sums
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.errors import DataError, ModelError, OptionError, UnsupportedProblemError


class Mixed(nn.Module):
    """A convolution, a layer that is called twice, a weight that is read by no module, and two that cannot be used."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(1, 4, 3)
        self.twice = nn.Linear(16, 16, bias=False)
        self.head = nn.Parameter(torch.randn(3, 16))
        self.unused = nn.Linear(2, 2)
        self.table = nn.Embedding(5, 2, max_norm=1.0)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.conv(images).relu().flatten(1)
        return F.linear(self.twice(self.twice(hidden).relu()), self.head)


@pytest.fixture
def images() -> Data:
    return Data.from_tensors(torch.randn(40, 1, 4, 4, generator=torch.Generator().manual_seed(1)))


def test_layers_with_their_work_and_what_is_left_alone(images: Data) -> None:
    found = inspect_network(Mixed(), images)
    assert [(each.name, each.shape, each.channels, each.weights) for each in found.layers] == [
        ("head", (3, 16), 3, 48),
        ("conv", (4, 1, 3, 3), 4, 36),
        ("twice", (16, 16), 16, 256),
    ]
    # 4 x 4 images have 2 x 2 positions of a 3 x 3 kernel.
    assert [(each.calls, each.macs, each.measured) for each in found.layers] == [
        (1, 48, "parameter"),
        (1, 4 * 4 * 9, "calls"),
        (2, 2 * 256, "calls"),
    ]
    numbers = 36 + 4 + 256 + 48 + 6 + 10
    assert (found.numbers, found.weights) == (numbers, 340)
    assert [each.share for each in found.layers] == [each.weights / numbers for each in found.layers]
    reasons = {each["name"]: (each["type"], each["numbers"], each["reason"]) for each in found.left_alone}
    assert reasons["table"] == ("Embedding", 10, "its rows are changed whenever they are read (max_norm)")
    assert reasons["unused"] == ("Linear", 6, "nothing reads it on the calibration images")
    assert reasons["biases, norms and buffers"] == ("", 4, "stored as they are")
    assert found.samples == 30  # a quarter is held out
    assert (found.examined, found.probes) == (8, 2)


def test_without_samples_only_what_the_weights_say_is_known() -> None:
    found = inspect_network(Mixed())
    assert {each.name: (each.calls, each.macs, each.measured) for each in found.layers} == dict.fromkeys(
        ("head", "conv", "twice", "unused"), (None, None, None)
    )
    assert (found.samples, found.probes, found.examined) == (None, None, 0)
    for each in found.granularities:
        assert (each.form, each.measurement_bytes, each.seconds) == (None, None, None)
    assert [(each.granularity, each.units, each.variables) for each in found.granularities] == [
        ("layer", 4, 24),
        ("group:16", 4, 24),
        ("channel", 25, 150),
    ]


def test_skipped_layers_are_left_alone(images: Data) -> None:
    found = inspect_network(Mixed(), images, skip=["conv"], granularities=["channel"])
    assert [each.name for each in found.layers] == ["head", "twice"]
    assert {each["name"]: each["reason"] for each in found.left_alone}["conv"] == "skipped, as asked"
    assert found.granularities[0].units == 19


@pytest.mark.parametrize("granularity", ["layer", "group:3", "channel", "coupled-channel"])
def test_variables_and_interactions_are_those_of_the_compression(granularity: str) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(20, 4))
    )
    pixels = torch.randn(48, 1, 4, 4)
    found = inspect_network(
        network, Data.from_tensors(pixels), options=bit_widths(0, 2, 4), granularities=[granularity]
    ).granularities[0]
    settings: dict[str, Any] = {"granularity": granularity, "options": "0,2,4", "rounds": 1, "rerank": 1}
    done = qd.compress(
        *(network, pixels, "4bits:weights"),
        backend="steepest-descent",
        parameters={"objective": "gauss-newton"},
        **settings,
    )
    figures = done.to_dict()
    assert found.variables == figures["variables"]
    assert found.interactions == figures["interactions"]
    assert found.decisions <= found.units
    assert (found.decisions < found.units) == (granularity == "coupled-channel" and found.decisions < 15)


def test_form_and_memory_are_those_of_the_sums(images: Data) -> None:
    def form(memory: float) -> tuple[str | None, int]:
        found = inspect_network(Mixed(), images, granularities=["channel"], memory=memory).granularities[0]
        assert found.measurement_bytes is not None
        assert (found.seconds is None) == (found.form is None)
        return found.form, found.measurement_bytes

    roomy, as_matrix = form(1.0)
    assert roomy == "matrix"
    assert as_matrix > 4 * 138 * (138 + 2 * 60)
    # All pairs of variables while it is solved are larger than the limit, so that a factor is measured.
    limit = bytes_of_pairs(138) / GIB
    assert form(1.01 * limit)[0] == "matrix"
    tight, as_factor = form(0.99 * limit)
    assert tight == "factor"
    assert as_factor > 4 * 138 * 60
    none, needed = form(1e-6)
    assert none is None
    with pytest.raises(UnsupportedProblemError):
        Sums(138, 30, 2, 1e-6, needed - 4 * 138 * 60)


def test_the_work_is_that_of_all_images_and_of_half_a_matrix() -> None:
    rates = {"seconds_per_image": 0.5, "seconds_per_product": 1e-3}
    cost = MeasurementCost(images=10, probes=3, working_bytes=7, **rates)
    assert cost.seconds(4, "factor") == 5.0
    assert cost.seconds(4, "matrix") == pytest.approx(5.0 + 10 * 30 * 1e-3)
    assert (cost.size(4).as_factor, cost.size(4).as_matrix) == (4 * 4 * 30 + 7, 4 * 4 * (4 + 60) + 7)


def test_the_timed_work_leaves_the_network_as_it_is(images: Data) -> None:
    network = Mixed().train()
    network.head.requires_grad_(False)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    inventory = find_layers(network).without({"unused": "it is not used"}).not_by_calls(["head"])
    done: list[tuple[int, int]] = []
    cost = measurement_cost(
        *(inventory, images, bit_widths(0, 4, 32)),
        images=12,
        loss=CROSS_ENTROPY,
        probes=5,
        progress=lambda *each: done.append(each),
    )
    assert cost.columns == 60
    assert cost.seconds_per_image > 0.0
    assert done[0] == (1, 3)
    assert network.training
    assert not network.head.requires_grad
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_plain_data_and_progress(images: Data) -> None:
    class Stages(SilentReporter):
        def __init__(self) -> None:
            self.names: list[str] = []

        def stage(self, name: str) -> None:
            self.names.append(name)

    stages: CompressionReporter = Stages()
    found = inspect_network(Mixed(), images, granularities=["layer"], samples=1000, reporter=stages)
    assert stages.names == ["examine", "time a measurement"]  # type: ignore[attr-defined]  # of Stages
    data = found.to_dict()
    assert data["samples"] == 750
    assert data["layers"][1]["macs"] == 144
    assert data["granularities"][0]["variables"] == 18


def test_mistakes_have_messages(images: Data) -> None:
    with pytest.raises(ModelError, match=r"not a torch nn\.Module"):
        inspect_network("resnet")  # type: ignore[arg-type]  # the mistake
    with pytest.raises(ModelError, match="no weight can be compressed"):
        inspect_network(nn.ReLU())
    with pytest.raises(OptionError, match="granularity 'block'"):
        inspect_network(Mixed(), granularities=["block"])
    with pytest.raises(OptionError, match="give samples"):
        inspect_network(Mixed(), granularities=["coupled-channel"])
    with pytest.raises(OptionError, match="nothing"):
        inspect_network(Mixed(), images, skip=["nothing"])
    with pytest.raises(DataError, match="does not take"):
        inspect_network(Mixed(), Data.from_tensors(np.zeros((4, 3, 5), np.float32)))

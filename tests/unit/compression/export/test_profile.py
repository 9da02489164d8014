"""Every layer is timed in onnxruntime, in floats and in integers."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.export.latency import compare_latency
from qubo_dnn.compression.export.profile import Profile, profile_layers
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.task.cost_tables import read_table, write_table
from qubo_dnn.compression.task.options import parse_options
from tests.unit.compression.export.networks import Residual

NAMES = ("stem", "body", "hidden", "tokens", "head")
OPTIONS = parse_options("0,3,8,32")


@pytest.fixture(scope="module")
def measured() -> Profile:
    samples = Data.from_tensors(torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(3)))
    return profile_layers(find_layers(Residual()), samples, batch=6, runs=5)


@pytest.mark.parametrize("kind", ["floats", "integers"])
def test_every_layer_has_times_within_those_of_the_whole(measured: Profile, kind: str) -> None:
    found = getattr(measured, kind)
    assert set(found.layers) == set(NAMES)
    for times in found.layers.values():
        assert 0.0 < times.quartiles[0] <= times.milliseconds <= times.quartiles[1]
    assert sum(times.milliseconds for times in found.layers.values()) + found.rest < 1.5 * found.whole


def test_weights_and_activations_take_a_quarter_in_integers(measured: Profile) -> None:
    floats, integers = (each.layers["body"] for each in (measured.floats, measured.integers))
    assert floats.weight_bytes == 4 * integers.weight_bytes == 4 * Residual().get_parameter("body.weight").numel()
    assert integers.activation_bytes < 0.5 * floats.activation_bytes


def test_costs_are_those_of_floats_for_32_bits_and_of_integers_below(measured: Profile, tmp_path: Path) -> None:
    costs = measured.costs(NAMES, OPTIONS)
    nothing, three, eight, whole = (costs["body", option] for option in OPTIONS)
    assert nothing == 0.0
    assert three == eight == measured.integers.layers["body"].milliseconds
    assert whole == measured.floats.layers["body"].milliseconds
    write_table(tmp_path / "latency.csv", costs)
    assert read_table(tmp_path / "latency.csv").costs == pytest.approx(costs, rel=1e-5)


def test_a_layer_that_does_not_run_costs_nothing() -> None:
    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            made: torch.Tensor = self.used(x)
            return made

    found = profile_layers(find_layers(Unused()), Data.from_tensors(torch.randn(4, 3)), runs=2)
    assert set(found.floats.layers) == {"used"}
    assert found.cost("unused", OPTIONS[-1]) == 0.0


def test_latencies_are_measured_in_turns() -> None:
    order: list[str] = []

    def sleeper(name: str, seconds: float) -> Any:
        def run(_: None, fed: Any) -> None:
            assert list(fed) == ["x"]
            order.append(name)
            time.sleep(seconds)

        return SimpleNamespace(run=run)

    fed = {"x": np.zeros((2, 3))}
    found = compare_latency(sleeper("before", 0.004), sleeper("after", 0.001), (fed, fed), threads=1, runs=6)
    assert order == ["before", "after"] * (len(order) // 2)
    assert (found.batch, found.runs) == (2, 6)
    assert 1.5 < found.speedup < 5.0
    assert found.before_quartiles[0] <= found.before <= found.before_quartiles[1]

"""Measured losses of large changes against those of the quadratic model."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY, SquaredError
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.candidates import Candidates, make_candidates
from qubo_dnn.compression.search.task_builder import layer_changes
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.sensitivity.large_changes import measure_nonlinearity
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges
from qubo_dnn.compression.task.options import Option, parse_options
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel

OPTIONS = parse_options("0,2@50%,2,3@90%,8")


def images(count: int = 20) -> Data:
    pixels = torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    return Data.from_tensors(pixels, torch.zeros(count, 2))


class Square(nn.Module):
    """Outputs are three times the squares of the layer's, so that a quadratic model is only one near its weight."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layer = nn.Linear(3, 2, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = 3.0 * self.layer(x) ** 2
        return outputs


def changes_of(
    model: nn.Module, options: Sequence[Option] = OPTIONS, granularity: str = "channel"
) -> tuple[list[LayerChanges], Candidates]:
    inventory = find_layers(model)
    candidates = make_candidates(inventory, options)
    return layer_changes(inventory, granularity, candidates), candidates


def test_is_the_ratio_of_the_divergence_measured_and_the_increase_predicted() -> None:
    """Layers of one unit, so that what is drawn is all of it; each is measured with the other as it was."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 2))
    changes, candidates = changes_of(model, granularity="layer")
    # Of so few, all images are used.
    loss, data = SquaredError(), images(16)
    measured = np.ones((2, 5))
    for row, name in enumerate(("0", "2")):
        for k in range(3):
            changed = copy.deepcopy(model)
            with torch.no_grad():
                changed.get_parameter(f"{name}.weight").copy_(candidates.weights(name)[k])
            measured[row, k] = loss.divergence(logits(model, data), logits(changed, data), data.targets)
    wanted = np.array([[8.0, 3.0, 1.0, 1.0, 1.0], [2.0, 1.0, 5.0, 1.0, 1.0]])
    # What is to be a ratio of 1 is predicted four times as large as it is.
    predicted = np.where(wanted > 1.0, measured / wanted, 4.0 * measured)
    sensitivity = QuadraticLossModel(matrix=np.diag(2.0 * predicted.ravel()).astype(np.float32), linear=np.zeros(10))
    ratio = measure_nonlinearity(model, changes, OPTIONS, sensitivity, data, loss=loss)
    assert ratio == pytest.approx(wanted, rel=1e-4)


def test_lies_within_one_and_ten_and_is_one_where_nothing_is_predicted() -> None:
    model = Square()
    changes, _ = changes_of(model, granularity="layer")
    for scale, expected in ((1e-9, 10.0), (1e9, 1.0), (0.0, 1.0)):
        sensitivity = QuadraticLossModel(matrix=np.float32(scale) * np.eye(5, dtype=np.float32), linear=np.zeros(5))
        ratio = measure_nonlinearity(model, changes, OPTIONS, sensitivity, images(), loss=SquaredError())
        assert ratio.tolist() == [[expected] * 3 + [1.0] * 2]


def test_of_a_network_linear_in_its_weights_is_one() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    changes, _ = changes_of(model)
    sensitivity = gauss_newton(model, changes, images(16), loss=SquaredError())
    ratio = measure_nonlinearity(model, changes, OPTIONS, sensitivity, images(16), loss=SquaredError())
    assert ratio == pytest.approx(np.ones((2, 5)), rel=1e-4)


def test_an_eighth_of_the_units_of_every_layer_changes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """17 units, of which 3 are drawn; each costs the 1/2 that is predicted of it, and 6 are measured."""
    model = nn.Sequential(nn.Linear(3, 17, bias=False), nn.Linear(17, 2))
    changes, _ = changes_of(model)
    monkeypatch.setattr(SquaredError, "divergence", lambda *_: 6.0)
    sensitivity = QuadraticLossModel(matrix=np.eye(19 * 5, dtype=np.float32), linear=np.zeros(19 * 5))
    ratio = measure_nonlinearity(model, changes, OPTIONS, sensitivity, images(), loss=SquaredError())
    assert ratio[:17, :3] == pytest.approx(np.full((17, 3), 6.0 / 1.5))
    assert ratio[17:, :3] == pytest.approx(np.full((2, 3), 10.0))


@pytest.mark.parametrize(("images_given", "used"), [(1200, 256), (200, 200), (9, 9)])
def test_so_many_images_are_used(images_given: int, used: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def divergence(_: SquaredError, *given: torch.Tensor) -> float:
        seen.append([len(tensor) for tensor in given])
        return 0.0

    monkeypatch.setattr(SquaredError, "divergence", divergence)
    model = Square()
    changes, _ = changes_of(model, granularity="layer")
    sensitivity = QuadraticLossModel(matrix=np.eye(5, dtype=np.float32), linear=np.zeros(5))
    measure_nonlinearity(model, changes, OPTIONS, sensitivity, images(images_given), loss=SquaredError())
    assert seen == [[used] * 3] * 3


def test_many_layers_take_fewer_images(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()

    def divergence(_: SquaredError, *given: torch.Tensor) -> float:
        seen.add(len(given[0]))
        return 0.0

    monkeypatch.setattr(SquaredError, "divergence", divergence)
    model = Square()
    changes, _ = changes_of(model, granularity="layer")
    sensitivity = QuadraticLossModel(matrix=np.eye(500, dtype=np.float32), linear=np.zeros(500))
    measure_nonlinearity(model, changes * 100, OPTIONS, sensitivity, images(1200), loss=SquaredError())
    assert seen == {64}


def test_leaves_the_network_as_it_is_and_reports_every_measurement() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 9), nn.BatchNorm1d(9), nn.Linear(9, 2)).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    changes, _ = changes_of(model)
    data = Data.from_tensors(torch.randn(20, 3), torch.zeros(20, dtype=torch.int64))
    sensitivity = QuadraticLossModel(matrix=np.eye(55, dtype=np.float32), linear=np.zeros(55))
    heard: list[tuple[int, int]] = []

    def measured(seed: int) -> np.ndarray:
        return measure_nonlinearity(
            model,
            changes,
            OPTIONS,
            sensitivity,
            data,
            loss=CROSS_ENTROPY,
            seed=seed,
            progress=lambda done, total: heard.append((done, total)),
        )

    measured(0)
    assert heard == [(n, 6) for n in range(1, 7)]
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_the_seed_draws_units() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 16)
    changes, _ = changes_of(model)
    rng = np.random.default_rng(0)
    sensitivity = QuadraticLossModel(
        matrix=np.diag(rng.uniform(0.01, 0.02, 80)).astype(np.float32), linear=np.zeros(80)
    )
    data = Data.from_tensors(torch.randn(9, 3), torch.zeros(9, dtype=torch.int64))
    first, again, other = (
        measure_nonlinearity(model, changes, OPTIONS, sensitivity, data, loss=CROSS_ENTROPY, seed=seed)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)

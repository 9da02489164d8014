from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.activation_grid import ActivationGrid
from qubo_dnn.compression.quantization.activations import ActivationSite, check_ranges, observe_activations
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.errors import ModelError, OptionError


class Block(nn.Module):
    """A residual block: `a` and `short` read the same, `b` reads what a ReLU has changed in place."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.short = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 3, 1)
        self.b, self.table = nn.Conv2d(2, 3, 1), nn.Embedding(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.a(x) + self.short(x)
        y = y + self.b(x.relu_()) + self.table(torch.zeros(len(x), dtype=torch.long))[..., None, None]
        return y.mean((2, 3))


def images(count: int = 40) -> Data:
    return Data.from_tensors(torch.randn(count, 2, 6, 6, generator=torch.Generator().manual_seed(0)))


def test_layers_that_read_the_same_tensor_are_one_site() -> None:
    found = observe_activations(find_layers(Block()), images())
    assert [site.layers for site in found.sites] == [("a", "short"), ("b",)]
    assert found.left_alone == {"table": "it reads integers"}
    assert found.sites[0].low < 0.0 == found.sites[1].low


def test_extremes_and_counts_are_those_of_the_images() -> None:
    model, data = nn.Sequential(nn.Linear(3, 2)), Data.from_tensors(torch.tensor([[0.0, 1.0, -2.0], [0.0, 0.0, 4.0]]))
    (site,) = observe_activations(find_layers(model), data).sites
    assert (site.low, site.high) == (-2.0, 4.0)
    assert site.counts.sum() == pytest.approx(3 / 2)  # per image, without zeros
    assert site.mean_magnitude == pytest.approx(7 / 3, rel=1e-3)


def test_the_squared_error_is_that_of_the_images() -> None:
    data = images()
    model = nn.Sequential(nn.Conv2d(2, 3, 1))
    (site,) = observe_activations(find_layers(model), data).sites
    inputs, _ = next(data.batches(len(data)))
    for bits in (2, 4, 6):
        grid = site.grid(bits)
        exact = float((grid(inputs.only) - inputs.only).square().sum()) / len(data)
        assert site.squared_error(grid) == pytest.approx(exact, rel=0.02)
        assert site.squared_error(grid, grid) == 0.0


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("signed", [False, True])
def test_no_other_range_has_a_much_smaller_error(bits: int, signed: bool) -> None:
    rng = np.random.default_rng(3)
    values = np.sort(rng.laplace(size=2000) if signed else rng.exponential(size=2000))
    site = ActivationSite(("0",), min(0.0, values[0]), values[-1], values, np.ones(2000), "mse")
    best = site.squared_error(site.grid(bits))
    lows = np.linspace(0.1, 1.0, 25) * site.low if signed else [0.0]
    tried = [
        site.squared_error(ActivationGrid.over(float(low), float(high), bits))
        for low in lows
        for high in np.linspace(0.05, 1.0, 60) * site.high
    ]
    assert best <= 1.03 * min(tried)
    assert best < site.squared_error(ActivationGrid.over(site.low, site.high, bits)) or bits == 8


def test_ranges_of_percentiles_and_extremes() -> None:
    values = np.linspace(-1.0, 3.0, 401)
    site = ActivationSite(("0",), -1.0, 3.0, values, np.ones(401), "percentile:90")
    grid = site.grid(8)
    assert grid.low == pytest.approx(-0.6, abs=0.02)
    assert grid.high == pytest.approx(2.6, abs=0.02)
    whole = ActivationSite(("0",), -1.0, 3.0, values, np.ones(401), "minmax").grid(8)
    assert whole.low == pytest.approx(-1.0, abs=0.01)
    assert whole.high == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize("method", ["mean", "percentile", "percentile:40", "percentile:101", ""])
def test_other_ranges_are_refused(method: str) -> None:
    with pytest.raises(OptionError, match="ranges of activations are by mse, minmax or percentile"):
        check_ranges(method)


def test_widths_of_layers_that_read_the_same() -> None:
    found = observe_activations(find_layers(Block()), images())
    chosen = found.with_widths({"a": (4, 8), "short": (8, 32), "b": ()})
    assert [(site.layers, site.widths) for site in chosen.sites] == [(("a", "short"), (8,))]
    with pytest.raises(OptionError, match="a, short read the same, and have no width of it in common"):
        found.with_widths({"a": (4,), "short": (8,), "b": (8,)})


def test_grids_of_a_plan() -> None:
    found = observe_activations(find_layers(Block()), images()).with_widths({"a": (4, 32), "short": (4, 32), "b": (8,)})
    grids = found.grids(Plan({}, {"a": 4, "short": 4, "b": 8}))
    assert grids["a"] == grids["short"]
    assert [grids[name].bits for name in ("a", "b")] == [4, 8]
    assert list(found.grids(Plan({}, {"a": 32, "short": 32, "b": 8}))) == ["b"]
    with pytest.raises(ModelError, match="no grid of 4 bits for the activations that the layer 'b' reads"):
        found.grids(Plan({}, {"b": 4}))

"""The distribution of what every layer reads on calibration images, and grids over ranges that suit it.

Source of the ranges: Nagel et al. 2021, "A white paper on neural network quantization" (least squared error);
McKinstry et al. 2019, "Discovering low-precision networks close to full-precision networks for efficient embedded
inference" (percentiles).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.hooks import replacing_inputs
from qubo_dnn.compression.network.inference import Progress, forward, inference
from qubo_dnn.compression.network.layers import Inventory, Layer
from qubo_dnn.compression.quantization.activation_grid import ActivationGrid
from qubo_dnn.compression.task.options import FLOAT_BITS
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.errors import ModelError, OptionError

MSE, MIN_MAX = "mse", "minmax"
_PERCENTILE = re.compile(r"percentile:(\d+(?:\.\d+)?)", re.ASCII)
_IMAGES, _BATCH, _BINS = 256, 32, 2048
# Ends of ranges that are compared: fractions of the extremes.
_FRACTIONS = np.geomspace(0.02, 1.0, 80)
_SWEEPS = 3  # over both ends of a range

Floats = NDArray[np.float64]


def check_ranges(method: str) -> None:
    """Refuse an unknown way to choose the ranges of activations.

    Raises:
        OptionError: it is none of "mse", "minmax" and "percentile:P" with P from 50 to 100.

    Example:
        >>> check_ranges("percentile:99.99")
    """
    match = _PERCENTILE.fullmatch(method)
    if method not in (MSE, MIN_MAX) and not (match and 50.0 <= float(match[1]) <= 100.0):
        raise OptionError(f"ranges of activations are by mse, minmax or percentile:99.99, not {method!r}")


@dataclass(frozen=True, eq=False)
class ActivationSite:
    """What one layer, or several that read the same tensor, read on calibration images.

    Attributes:
        layers: names of the layers.
        low, high: extremes, 0 included.
        values: [bins] numbers that stand for those that differ from 0.
        counts: [bins] how many there are of each per image.
        method: how ranges are chosen; see `check_ranges`.
        widths: that it may take, in ascending order.

    Example:
        >>> site = ActivationSite(("0",), 0.0, 3.0, np.array([1.0, 2.0, 3.0]), np.ones(3), "minmax")
        >>> site.grid(2), site.squared_error(site.grid(2))
        (ActivationGrid(bits=2, scale=1.0, zero=0), 0.0)
    """

    layers: tuple[str, ...]
    low: float
    high: float
    values: Floats
    counts: Floats
    method: str
    widths: tuple[int, ...] = ()

    def grid(self, bits: int) -> ActivationGrid:
        """Return the grid of a width over the range of least squared error, of a percentile or of the extremes."""
        if self.method == MIN_MAX or not self.counts.any():
            return ActivationGrid.over(self.low, self.high, bits)
        if match := _PERCENTILE.fullmatch(self.method):
            shares = np.cumsum(self.counts) / self.counts.sum()
            beyond = 1.0 - float(match[1]) / 100.0
            last = len(shares) - 1
            low, high = (min(int(np.searchsorted(shares, share)), last) for share in (beyond, 1.0 - beyond))
            return ActivationGrid.over(
                float(self.values[low]) if self.low < 0.0 else 0.0, float(self.values[high]), bits
            )
        return self._closest(bits)

    @cached_property
    def grids(self) -> dict[int, ActivationGrid]:
        """Width -> its grid, for all widths but 32."""
        return {bits: self.grid(bits) for bits in self.widths if bits != FLOAT_BITS}

    def squared_error(self, grid: ActivationGrid | None, present: ActivationGrid | None = None) -> float:
        """Return the squared l2 norm, per image, of the change from one grid to another; None stands for no grid."""
        values = torch.from_numpy(self.values)
        one, other = (values if each is None else each(values) for each in (grid, present))
        return float(np.dot(self.counts, (one - other).square().numpy()))

    @property
    def mean_magnitude(self) -> float:
        """Mean absolute value of the numbers that differ from 0."""
        total = self.counts.sum()
        return float(np.dot(self.counts, np.abs(self.values)) / total) if total else 0.0

    def _closest(self, bits: int) -> ActivationGrid:
        """Return the grid of least squared error: both ends in turn, over fractions of the extremes."""
        low, high = self.low, self.high
        best = ActivationGrid.over(low, high, bits)

        def chosen(ends: Iterable[tuple[float, float]]) -> tuple[float, float]:
            return min(ends, key=lambda end: self.squared_error(ActivationGrid.over(end[0], end[1], bits)))

        for _ in range(_SWEEPS if self.low < 0.0 else 1):
            low, high = chosen((low, self.high * fraction) for fraction in _FRACTIONS)
            if self.low < 0.0:
                low, high = chosen((self.low * fraction, high) for fraction in _FRACTIONS)
            found = ActivationGrid.over(low, high, bits)
            if found == best:
                break
            best = found
        return best


@dataclass(frozen=True, eq=False)
class Activations:
    """What the layers of a network read.

    Attributes:
        sites: one for every tensor that is read, in the order of the first layers that read them.
        left_alone: name of a layer -> why its input is not quantized, as a phrase.

    Example:
        >>> site = ActivationSite(("0",), 0.0, 3.0, np.array([1.0, 2.0, 3.0]), np.ones(3), "minmax")
        >>> Activations((site,), {}).with_widths({"0": (2, 32)}).grids(Plan({}, {"0": 2}))
        {'0': ActivationGrid(bits=2, scale=1.0, zero=0)}
    """

    sites: tuple[ActivationSite, ...]
    left_alone: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the layers whose input can be quantized, site by site."""
        return tuple(name for site in self.sites for name in site.layers)

    def with_widths(self, widths: Mapping[str, tuple[int, ...]]) -> Self:
        """Return the same with the widths that the layers may take; those without any are left out.

        Args:
            widths: name of a layer -> its widths. Layers that read the same tensor take those of all of them.

        Raises:
            OptionError: layers that read the same tensor have no width in common.
        """
        sites = []
        for site in self.sites:
            given = [set(widths.get(name, ())) for name in site.layers]
            common = set.intersection(*given)
            if any(given) and not common:
                raise OptionError(f"{', '.join(site.layers)} read the same, and have no width of it in common")
            if common:
                sites.append(replace(site, widths=tuple(sorted(common))))
        return replace(self, sites=tuple(sites))

    def grids(self, plan: Plan) -> dict[str, ActivationGrid]:
        """Return layer name -> the grid of what it reads, for the activations that a plan quantizes.

        Raises:
            ModelError: there is no grid for a layer or a width of the plan.
        """
        known = {name: site.grids for site in self.sites for name in site.layers}
        chosen = {name: bits for name, bits in plan.activations.items() if bits != FLOAT_BITS}
        for name, bits in chosen.items():
            if bits not in known.get(name, {}):
                raise ModelError(f"there is no grid of {bits} bits for the activations that the layer {name!r} reads")
        return {name: known[name][bits] for name, bits in chosen.items()}


NO_ACTIVATIONS = Activations((), {})
"""For networks whose activations stay as they are."""


def observe_activations(
    inventory: Inventory, data: Data, method: str = MSE, progress: Progress | None = None
) -> Activations:
    """Observe what the layers of a network read.

    Args:
        inventory: the network and its layers. An input can be quantized if the layer is measured by calls of its
            modules, and reads floating-point numbers.
        data: images; at most 256 are used.
        method: how ranges are chosen; see `check_ranges`.
        progress: called after every batch with the number of images done and their total.

    Raises:
        OptionError: the method is unknown.
        ModelError: the network does not return finite outputs.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network, data = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)), Data.from_tensors(torch.eye(3))
        >>> found = observe_activations(find_layers(network), data)
        >>> found.names, found.sites[1].low
        (('0', '2'), 0.0)
    """
    check_ranges(method)
    layers = [layer for layer in inventory.layers if layer.by_calls and not layer.by_operator and not layer.is_table]
    left = {
        layer.name: "it reads integers" if layer.is_table else "it is not read by a plain call of its module"
        for layer in inventory.layers
        if layer not in layers
    }
    groups = _reading_the_same(inventory.model, layers, data)
    some = data.subset(min(len(data), _IMAGES), 0)
    first = [group[0] for group in groups]
    extremes = {layer.name: (0.0, 0.0) for layer in first}
    sums = {layer.name: np.zeros(_BINS) for layer in first}
    done, total = 0, 2 * len(some)

    def widen(layer: Layer, values: Tensor) -> None:
        low, high = torch.aminmax(values.float())
        extremes[layer.name] = min(extremes[layer.name][0], float(low)), max(extremes[layer.name][1], float(high))

    def count(layer: Layer, values: Tensor) -> None:
        low, high = extremes[layer.name]
        varying = values.float().flatten().cpu()
        sums[layer.name] += torch.histc(varying[varying != 0.0], _BINS, low, high).numpy()

    for observe in (widen, count):
        with _observing(first, observe), inference(inventory.model):
            for inputs, _ in some.batches(_BATCH):
                forward(inventory.model, inputs)
                done += len(inputs)
                if progress:
                    progress(done, total)
    sites = []
    for group in groups:
        low, high = extremes[group[0].name]
        edges = np.linspace(low, high, _BINS + 1)
        names = tuple(layer.name for layer in group)
        counts = sums[group[0].name] / len(some)
        sites.append(ActivationSite(names, low, high, (edges[1:] + edges[:-1]) / 2.0, counts, method))
    return Activations(tuple(sites), left)


def _observing(layers: Sequence[Layer], observe: Callable[[Layer, Tensor], None]) -> AbstractContextManager[None]:
    """Call a function with every input of the layers, until the block ends."""

    def observed(layer: Layer) -> Callable[[Tensor], Tensor]:
        def see(values: Tensor) -> Tensor:
            observe(layer, values)
            return values

        return see

    return replacing_inputs((module, observed(layer)) for layer in layers for module in layer.modules)


def _reading_the_same(model: nn.Module, layers: Sequence[Layer], data: Data) -> list[list[Layer]]:
    """Return the layers in groups that read the very same tensors."""
    places: dict[str, list[tuple[object, ...]]] = {layer.name: [] for layer in layers}
    # They stay in memory, so that no two have the same address.
    kept: list[Tensor] = []

    def locate(layer: Layer, values: Tensor) -> None:
        kept.append(values)
        # What is at an address may change between two calls.
        places[layer.name].append((values.data_ptr(), values.shape, values.stride(), float(values.double().sum())))

    with _observing(layers, locate), inference(model):
        forward(model, next(data.batches(2))[0])
    groups: dict[object, list[Layer]] = {}
    for layer in layers:
        groups.setdefault(tuple(places[layer.name]) or layer.name, []).append(layer)
    return list(groups.values())

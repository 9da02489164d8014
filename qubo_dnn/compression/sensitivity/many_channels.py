"""Losses of removing many channels of a layer, with what stays making up for them.

A channel's loss is measured while all others stay, and says little about a layer that loses most of its channels. The
first ones that leave cost less: others vary with them, and refitted weights let these stand in. The last ones cost far
more, since nothing is left that could. So channels are taken away here in the order of their single losses, an eighth
of the layer after the other, and every eighth gets the loss that it adds.

What the layers behind read of removed channels is then their best linear prediction from the channels that stay, at
the same position: all that a refitted weight could use of one position. Convolutions see several, and are refitted to
somewhat less loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.hooks import replacing_inputs
from qubo_dnn.compression.network.inference import forward, inference
from qubo_dnn.compression.sensitivity.removed_channels import ReadChannels
from qubo_dnn.compression.sensitivity.weight_deltas import LayerChanges

_STEPS = 8
_RIDGE = 1e-3  # relative to the mean variance of what is read
# Inputs of a layer: the matrix of their pairs takes 128 MiB. What a wider layer reads is predicted by its means.
_WIDEST = 4096
# Ratios below are mostly noise, and channels without any loss would leave in no order.
_LEAST = 0.01


@dataclass(frozen=True, eq=False)
class LinearPrediction:
    """Predicts removed channels, where a layer reads them, from the others.

    Attributes:
        read: the channels as the layer reads them.
        covariance: [inputs, inputs] float64, over images and positions; None: means are all that is known.

    Example:
        >>> read = ReadChannels("4", 1, torch.tensor([0, 1]), torch.tensor([0.0, 3.0]))
        >>> prediction = LinearPrediction(read, torch.tensor([[1.0, 2.0], [2.0, 4.0]]).double())
        >>> prediction(torch.tensor([[1.0, 9.0]]), torch.tensor([False, True])).round(decimals=1).tolist()
        [[1.0, 5.0]]
    """

    read: ReadChannels
    covariance: Tensor | None

    def __call__(self, inputs: Tensor, removed: Tensor) -> Tensor:
        """Return an input [N, ...] of the layer with predictions for the channels True in `removed`, [channels]."""
        if self.covariance is None:
            return self.read.without(inputs, removed)
        gone = self.read.gone(removed)
        damping = _RIDGE * float(self.covariance.diagonal().mean()) or 1.0  # if nothing varies
        among = self.covariance[~gone][:, ~gone] + damping * torch.eye(int((~gone).sum()))
        weights = torch.linalg.solve(among, self.covariance[~gone][:, gone]).to(inputs)
        moved = inputs.movedim(self.read.axis, -1).clone()
        varying = moved[..., ~gone] - self.read.means[~gone].to(inputs)
        moved[..., gone] = self.read.means[gone].to(inputs) + varying @ weights
        return moved.movedim(-1, self.read.axis)


def input_covariances(model: nn.Module, reads: Iterable[ReadChannels], data: Data) -> dict[str, Tensor]:
    """Return name of a layer -> [inputs, inputs] float64 covariance of what it reads, over images and positions.

    Left out are layers with more than 4,096 inputs.

    Args:
        model: the network.
        reads: channels as layers read them.
        data: images.

    Example:
        >>> network, data = nn.Sequential(nn.ReLU(), nn.Linear(3, 1)), Data.from_tensors(torch.eye(3))
        >>> read = ReadChannels("1", 1, torch.arange(3), torch.full((3,), 1 / 3))
        >>> input_covariances(network, [read], data)["1"].diagonal().numpy().round(2).tolist()
        [0.22, 0.22, 0.22]
    """
    narrow = {read.name: read for read in reads if len(read.means) <= _WIDEST}
    sums = {name: torch.zeros(len(read.means), len(read.means), dtype=torch.float64) for name, read in narrow.items()}
    counts = dict.fromkeys(narrow, 0)

    def observe(read: ReadChannels, inputs: Tensor) -> Tensor:
        rows = inputs.detach().movedim(read.axis, -1).flatten(0, -2) - read.means.to(inputs)
        sums[read.name] += (rows.mT @ rows).double().cpu()
        counts[read.name] += len(rows)
        return inputs

    with (
        replacing_inputs((model.get_submodule(name), partial(observe, read)) for name, read in narrow.items()),
        inference(model),
    ):
        for inputs, _ in data.batches():
            forward(model, inputs)
    return {name: total / counts[name] for name, total in sums.items()}


def steps_of(entry: LayerChanges) -> int:
    """Return the number of losses that are measured for a layer, from an eighth of its channels to all of them.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> layer = find_layers(nn.Sequential(nn.Linear(3, 20))).layers[0]
        >>> steps_of(LayerChanges(layer, 1, torch.zeros(1, 20, 3)))
        8
    """
    return min(_STEPS, entry.units)


def removal_ratios(
    model: nn.Module,
    entry: LayerChanges,
    single: NDArray[np.float64],
    predictions: Sequence[LinearPrediction],
    divergence: Callable[[], float],
) -> NDArray[np.float64]:
    """Return [units] the loss that a unit adds to those that leave before it, over its single loss.

    Units leave in the order of their single losses. Ratios do not fall in this order (isotonic regression), so that a
    sum over units of ratio times single loss is least, for a number of units, for those that leave first.

    Args:
        model: the network around which the single losses were measured.
        entry: a layer whose channels are read as `predictions` predict them.
        single: [units] loss of removing a unit while all others stay.
        predictions: of all layers that read the channels.
        divergence: measures the network as it is when called; called `steps_of(entry)` times.

    Example:
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> network = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
        >>> layer = find_layers(network).layers[0]
        >>> entry = LayerChanges(layer, 1, torch.stack([-layer.weight.detach(), torch.zeros(2, 3)]))
        >>> losses = iter([0.1, 0.9])
        >>> removal_ratios(network, entry, np.array([0.4, 0.2]), [], lambda: next(losses)).round(3).tolist()
        [2.0, 0.5]
    """
    unit_of = torch.arange(entry.layer.channels) // entry.group
    removed, before = np.zeros(entry.units, bool), 0.0
    pools: list[_Pool] = []
    for leaving in np.array_split(np.argsort(single, kind="stable"), steps_of(entry)):
        removed[leaving] = True
        channels = torch.from_numpy(removed)[unit_of]
        changes = ((model.get_submodule(each.read.name), partial(each, removed=channels)) for each in predictions)
        with replacing_inputs(changes):
            loss = divergence()
        pools.append(_Pool(leaving, float(single[leaving].sum()), loss - before))
        before = loss
        while len(pools) > 1 and pools[-2].ratio >= pools[-1].ratio:
            last = pools.pop()
            pools[-1] = pools[-1].joined(last)
    ratios = np.empty(entry.units)
    for pool in pools:
        ratios[pool.units] = max(pool.ratio, _LEAST)
    return ratios


@dataclass(frozen=True, eq=False)
class _Pool:
    """Units that share a ratio, as in isotonic regression by pooling adjacent violators.

    Attributes:
        units: numbers of the units.
        predicted: sum of their single losses.
        added: the loss that they add.
    """

    units: NDArray[np.intp]
    predicted: float
    added: float

    @property
    def ratio(self) -> float:
        # Units without a single loss leave first, and say nothing about a ratio.
        return self.added / self.predicted if self.predicted > 0.0 else 0.0

    def joined(self, other: _Pool) -> _Pool:
        """Return the pool of both."""
        return _Pool(
            np.concatenate([self.units, other.units]), self.predicted + other.predicted, self.added + other.added
        )

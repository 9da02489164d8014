"""Removal of a channel as a change of what layers read, not of the weights that make it.

After a repair, a network lacks only how a removed channel varies around its mean, behind its norm and its nonlinearity:
biases and BatchNorm statistics make up for the mean. The derivative along the weights that make the channel describes
something else: the slope of the nonlinearity, and nothing of what the shift of a norm passes through it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.hooks import replacing_inputs
from qubo_dnn.compression.network.inference import forward, inference
from qubo_dnn.compression.removal.channel_groups import Use


@dataclass(frozen=True, eq=False)
class ReadChannels:
    """The channels that one layer makes, as another layer reads them.

    Attributes:
        name: name of the layer that reads them.
        axis: axis of its input that has them.
        channels: [inputs] the channel at every position of this axis; a number that no channel has: another layer's.
        means: [inputs] mean over images and positions.

    Example:
        >>> read = ReadChannels("4", 1, torch.tensor([0, 0, 1]), torch.tensor([0.5, 0.0, 2.0]))
        >>> read.derivatives(torch.ones(1, 3), torch.ones(1, 3), count=2).tolist()
        [[-1.5, 1.0]]
        >>> read.without(torch.ones(1, 3), torch.tensor([True, False])).tolist()
        [[0.5, 0.0, 1.0]]
    """

    name: str
    axis: int
    channels: Tensor
    means: Tensor

    def derivatives(self, inputs: Tensor, gradients: Tensor, count: int) -> Tensor:
        """Return [N, channels] the derivative of a probe along the removal of every channel.

        Args:
            inputs: input of a call of the layer, [N, ...].
            gradients: gradient of the probe with respect to it.
            count: number of channels.
        """
        varying = _by_channel(inputs, self.axis) - self.means.to(inputs)[:, None]
        products = -(varying * _by_channel(gradients, self.axis)).sum(2)
        total = products.new_zeros(len(inputs), count + 1)
        return total.index_add_(1, self.channels.clamp(max=count).to(total.device), products)[:, :count]

    def without(self, inputs: Tensor, removed: Tensor) -> Tensor:
        """Return an input [N, ...] with the channels that are True in `removed`, [channels], at their means."""
        gone = self.gone(removed)
        shape = [-1 if axis == self.axis else 1 for axis in range(inputs.dim())]
        return torch.where(gone.view(shape).to(inputs.device), self.means.view(shape).to(inputs), inputs)

    def gone(self, removed: Tensor) -> Tensor:
        """Return [inputs] True where the layer reads a channel that is True in `removed`, [channels]."""
        return torch.cat([removed, torch.tensor([False])])[self.channels.clamp(max=len(removed))]


def _by_channel(tensor: Tensor, axis: int) -> Tensor:
    """Return [N, channels, positions] of a tensor [N, ...]."""
    moved = tensor.movedim(axis, 1)
    return moved.reshape(*moved.shape[:2], -1)


def read_channels(
    model: nn.Module, readers: Mapping[str, Sequence[Use]], data: Data
) -> dict[str, tuple[ReadChannels, ...]]:
    """Return name of a layer -> its channels as other layers read them.

    Left out are layers that no image reaches, and those of a single value, which says nothing about how it varies.

    Args:
        model: the network.
        readers: result of `qubo_dnn.compression.removal.readers.find_readers`.
        data: images to average over.

    Example:
        >>> network, data = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)), Data.from_tensors(torch.eye(3))
        >>> reads = read_channels(network, {"0": [Use("2", reads=True, places=((0,), (1,)))]}, data)
        >>> reads["0"][0].means.allclose(network[:2](torch.eye(3)).mean(0))
        True
    """
    names = dict.fromkeys(use.name for uses in readers.values() for use in uses)
    sums: dict[str, Tensor] = {}
    counts = dict.fromkeys(names, 0)
    axes = {name: -1 if isinstance(model.get_submodule(name), nn.Linear) else 1 for name in names}

    def observe(name: str, inputs: Tensor) -> Tensor:
        values = _by_channel(inputs.detach(), axes[name] % inputs.dim())
        axes[name] %= inputs.dim()
        sums[name] = sums.get(name, 0.0) + values.double().sum((0, 2)).cpu()
        counts[name] += values.shape[0] * values.shape[2]
        return inputs

    with (
        replacing_inputs((model.get_submodule(name), partial(observe, name)) for name in names),
        inference(model),
    ):
        for inputs, _ in data.batches():
            forward(model, inputs)
    found = {}
    for layer, uses in readers.items():
        if all(counts[use.name] > 1 for use in uses):
            found[layer] = tuple(
                ReadChannels(
                    use.name,
                    axes[use.name],
                    _channels(use, len(sums[use.name])),
                    (sums[use.name] / counts[use.name]).float(),
                )
                for use in uses
            )
    return found


def _channels(use: Use, inputs: int) -> Tensor:
    channels = torch.full((inputs,), len(use.places))
    for channel, places in enumerate(use.places):
        channels[list(places)] = channel
    return channels

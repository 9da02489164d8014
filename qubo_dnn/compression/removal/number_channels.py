"""Number the channels that can be removed, for the costs of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import nn
from torch.nn.modules.conv import _ConvNd

from qubo_dnn.compression.network.layers import Inventory, Layer
from qubo_dnn.compression.removal.channel_groups import ChannelGroup
from qubo_dnn.compression.task.channel_map import STAYS, ChannelMap, LayerChannels


def number_channels(inventory: Inventory, groups: Sequence[ChannelGroup], macs: Mapping[str, int]) -> ChannelMap:
    """Return which removable channels every layer makes and reads.

    Args:
        inventory: all layers of the network.
        groups: its channel groups; those with an obstacle stay.
        macs: result of `qubo_dnn.compression.network.macs.count_macs`.

    Example:
        >>> import torch
        >>> from qubo_dnn.compression.data.inputs import Inputs
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> from qubo_dnn.compression.removal.channel_groups import find_channel_groups
        >>> network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
        >>> groups = find_channel_groups(network, Inputs.of(torch.zeros(1, 3, 4, 4)))
        >>> channels = number_channels(find_layers(network), groups, {"0": 216, "3": 16})
        >>> [(layer.made.tolist(), layer.read.tolist()) for layer in channels.layers]
        [([0, 1], [-1, -1, -1]), ([-1, -1], [0, 0, 0, 0, 1, 1, 1, 1])]
    """
    removable = [group for group in groups if not group.obstacle]
    sizes = [group.channels for group in removable]
    numbers: dict[tuple[str, bool], dict[int, int]] = {}
    for group, first in zip(removable, np.cumsum([0, *sizes]).tolist(), strict=False):
        for use in group.uses:
            of_axis = numbers.setdefault((use.name, use.reads), {})
            of_axis.update(
                {place: first + channel for channel in range(group.channels) for place in use.places[channel]}
            )
    layers = []
    for layer in inventory.layers:
        inputs = _inputs(layer)
        axes = [np.full(size or 0, STAYS) for size in (layer.channels, inputs)]
        for axis, reads in zip(axes, (False, True), strict=True):
            for place, number in numbers.get((layer.name, reads), {}).items():
                axis[place] = number
        made, read = axes
        layers.append(
            LayerChannels(name=layer.name, macs=macs[layer.name], made=made, read=None if inputs is None else read)
        )
    return ChannelMap(
        layers=tuple(layers),
        group_of=np.repeat(np.arange(len(sizes)), sizes),
        groups=tuple(_makers(inventory, group) for group in removable),
        obstacles={_makers(inventory, group): group.obstacle for group in groups if group.obstacle},
    )


def _makers(inventory: Inventory, group: ChannelGroup) -> str:
    """Return the names of the layers that make the channels of a group, in module order."""
    makers = {use.name for use in group.uses if not use.reads}
    return ", ".join(layer.name for layer in inventory.layers if layer.name in makers) or group.name


def _inputs(layer: Layer) -> int | None:
    """Return the number of inputs of a layer, all of which every output reads; None for other layers."""
    module = layer.module
    if isinstance(module, nn.Linear):
        return module.in_features
    if isinstance(module, _ConvNd) and module.groups == 1:
        return module.in_channels
    return None

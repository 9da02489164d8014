"""Try which channel groups can lose channels, before a plan prunes any."""

from __future__ import annotations

import copy
from collections.abc import Sequence, Set
from dataclasses import replace

from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.removal.channel_groups import ChannelGroup
from qubo_dnn.compression.removal.remove_pruned import remove_pruned
from qubo_dnn.compression.removal.silence import silence_


def try_removal(
    model: nn.Module, groups: Sequence[ChannelGroup], inputs: Inputs, compressed: Set[str]
) -> list[ChannelGroup]:
    """Return the groups, with an obstacle where a channel would stay in the network although all its layers prune it.

    Every second channel of every group is pruned in a copy of the network, and removed. They stay, for example, where a
    constant meets padding by zeros, or where a width is written in the code of the network.

    Args:
        model: the network; it is not changed.
        groups: its channel groups.
        inputs: samples of one batch.
        compressed: names of the layers that can be pruned.

    Raises:
        MissingExtraError: torch-pruning is not installed.

    Example:
        >>> import torch
        >>> from qubo_dnn.compression.removal.channel_groups import find_channel_groups
        >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Sigmoid(), nn.Conv2d(4, 2, 3, padding=1), nn.Flatten())
        >>> inputs = Inputs.of(torch.randn(2, 1, 6, 6))
        >>> tried = try_removal(network, find_channel_groups(network, inputs), inputs, {"0", "2"})
        >>> tried[0].obstacle
        'they are constant, and 2 pads with zeros'
    """
    known = [
        group if group.obstacle else replace(group, obstacle=_obstacle(model, group, compressed)) for group in groups
    ]
    trial = copy.deepcopy(model)
    free = [group for group in known if not group.obstacle]
    for group in free:
        for name, places in _made(trial, group).items():
            module = trial.get_submodule(name)
            weight = module.get_parameter("weight").data
            (weight.transpose(0, 1) if isinstance(module, _ConvTransposeNd) else weight)[places] = 0.0
    silence_(trial, free)
    removal = remove_pruned(trial, inputs, groups=known)
    tried = []
    for group in known:
        stay = [
            name for name, places in _made(model, group).items() if not {*places} <= {*removal.channels.get(name, ())}
        ]
        if not group.obstacle and stay:
            reason = removal.left[stay[0]].partition(": ")[2]
            group = replace(group, obstacle=reason)
        tried.append(group)
    return tried


def _obstacle(model: nn.Module, group: ChannelGroup, compressed: Set[str]) -> str | None:
    """Return why a group cannot lose channels whatever the plan; None if it may."""
    if group.channels == 1:
        return "a layer needs one"
    fixed = [name for name in _made(model, group) if name not in compressed]
    return f"{fixed[0]} is not compressed" if fixed else None


def _made(model: nn.Module, group: ChannelGroup) -> dict[str, list[int]]:
    """Return name of a layer that makes the channels of a group -> its outputs that make every second one."""
    return {
        use.name: use.of(list(range(1, group.channels, 2)))
        for use in group.uses
        if not use.reads and isinstance(model.get_submodule(use.name), (_ConvNd, nn.Linear))
    }

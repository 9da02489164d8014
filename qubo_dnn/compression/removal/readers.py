"""Find the layers whose output channels can be removed one by one, and where these are read."""

from __future__ import annotations

from collections.abc import Sequence, Set

from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from qubo_dnn.compression.removal.channel_groups import ChannelGroup, Use, is_depthwise


def find_readers(model: nn.Module, groups: Sequence[ChannelGroup], measured: Set[str]) -> dict[str, list[Use]]:
    """Return name of a layer -> where its channels are read, if it alone makes them and they can be removed.

    Args:
        model: the network.
        groups: its channel groups.
        measured: names of the layers whose inputs and outputs have the images on the first axis; channels that any
            other layer makes or reads are left out.

    Example:
        >>> import torch
        >>> from qubo_dnn.compression.data.inputs import Inputs
        >>> from qubo_dnn.compression.removal.channel_groups import find_channel_groups
        >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
        >>> groups = find_channel_groups(network, Inputs.of(torch.zeros(1, 3, 4, 4)))
        >>> readers = find_readers(network, groups, {"0", "4"})
        >>> [(name, use.name, use.places[1]) for name, uses in readers.items() for use in uses]
        [('0', '4', (4, 5, 6, 7))]
    """
    found = {}
    for group in groups:
        makers = [use.name for use in group.uses if not use.reads and _is_layer(model.get_submodule(use.name))]
        # The order of the trace is not always the same.
        readers = sorted((use for use in group.uses if use.reads), key=lambda use: use.name)
        if group.obstacle or len(makers) != 1 or not readers or is_depthwise(model.get_submodule(makers[0])):
            continue
        modules = [model.get_submodule(use.name) for use in readers]
        if measured >= {makers[0], *(use.name for use in readers)} and not any(
            isinstance(m, _ConvTransposeNd) for m in modules
        ):
            found[makers[0]] = readers
    return found


def _is_layer(module: nn.Module) -> bool:
    return isinstance(module, (_ConvNd, nn.Linear))

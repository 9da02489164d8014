"""Set pruned channels to zero, so that they can be removed without any deviation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from qubo_dnn.compression.removal.channel_groups import ChannelGroup
from qubo_dnn.compression.removal.constant_channels import pruned_channels


def silence_(model: nn.Module, groups: Iterable[ChannelGroup]) -> dict[str, list[int]]:
    """Set channels that no layer makes to zero where a constant would be left, in place.

    A pruned channel keeps the bias of its layer and the shift of its norm, so it is constant. Where it meets padding by
    zeros, a constant cannot be moved to a bias exactly; zero can. Biases that absorb mean differences of outputs then
    make up for the constant. Activations with f(0) = 0 keep the channel zero up to the layers that read it.

    Args:
        model: the network, with zero weights for pruned channels.
        groups: its channel groups.

    Returns:
        Name of a module -> channels whose biases, scales and shifts are now zero, and should stay so.

    Example:
        >>> from qubo_dnn.compression.data.inputs import Inputs
        >>> from qubo_dnn.compression.removal.channel_groups import find_channel_groups
        >>> network = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> _ = network[0].weight.data[1].zero_()
        >>> silence_(network, find_channel_groups(network, Inputs.of(torch.zeros(1, 3))))
        {'0': [1]}
        >>> network[0].bias[1].item()
        0.0
    """
    silenced: dict[str, list[int]] = {}
    for name, module, places in _silenceable(model, groups):
        with torch.no_grad():
            for vector in _vectors(module).values():
                vector[places] = 0.0
        silenced[name] = places
    return silenced


def silent_entries(model: nn.Module, groups: Iterable[ChannelGroup]) -> dict[str, list[int]]:
    """Return key of a bias, or of a weight of a norm -> zero entries of pruned channels, as `silence_` leaves them.

    Args:
        model: a network, silenced or not.
        groups: its channel groups.

    Example:
        >>> from qubo_dnn.compression.data.inputs import Inputs
        >>> from qubo_dnn.compression.removal.channel_groups import find_channel_groups
        >>> network = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> _ = network[0].weight.data[1].zero_()
        >>> groups = find_channel_groups(network, Inputs.of(torch.zeros(1, 3)))
        >>> _ = silence_(network, groups)
        >>> silent_entries(network, groups)
        {'0.bias': [1]}
    """
    silent: dict[str, list[int]] = {}
    for name, module, places in _silenceable(model, groups):
        for own, vector in _vectors(module).items():
            if zero := [place for place in places if vector[place] == 0.0]:
                silent[f"{name}.{own}" if name else own] = zero
    return silent


def _silenceable(model: nn.Module, groups: Iterable[ChannelGroup]) -> Iterator[tuple[str, nn.Module, list[int]]]:
    """Generate name, module, and its channels that no layer makes, for the modules that could make them constant."""
    for group in groups:
        channels = [] if group.obstacle else list(pruned_channels(model, group).unmade)
        modules = {use: model.get_submodule(use.name) for use in group.uses if not use.reads}
        # Without a scale and a shift, a norm makes another constant of zero.
        if not channels or any(isinstance(each, _BatchNorm) and each.weight is None for each in modules.values()):
            continue
        for use, module in modules.items():
            if not isinstance(module, nn.PReLU):
                yield use.name, module, use.of(channels)


def _vectors(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that shift a channel, and the scale of a norm."""
    names = ("weight", "bias") if isinstance(module, _BatchNorm) else ("bias",)
    return {name: each for name, each in module.named_parameters(recurse=False) if name in names}

"""Choose the channels that can be removed, with the constants that they leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.removal.channel_groups import ChannelGroup
from qubo_dnn.compression.removal.constant_channels import (
    Observed,
    Pruned,
    folds_exactly,
    observe_inputs,
    pruned_channels,
    zero_channels,
)

Reasons = dict[tuple[str, int], str]
"""Name and output channel of a layer -> why it stays."""


@dataclass(frozen=True, eq=False)
class Removable:
    """Channels of a group that can be removed.

    Attributes:
        group: the group.
        channels: its channels that can be removed; at least one other stays.
        constants: name of a layer that reads them -> input -> its constant value.

    Example:
        >>> def removed(found: Removable) -> int:
        ...     return len(found.channels)
    """

    group: ChannelGroup
    channels: list[int]
    constants: Mapping[str, Mapping[int, float]]


def removable_channels(
    model: nn.Module, groups: Sequence[ChannelGroup], inputs: Inputs, *, exact: bool, round_to: int = 1
) -> tuple[list[Removable], Reasons]:
    """Choose the pruned channels that can be removed.

    Args:
        model: the network.
        groups: its channel groups.
        inputs: samples of one batch, to see which channels are constant.
        exact: True leaves constant channels that meet padding by zeros.
        round_to: leave so many that every group has a multiple of this number of channels, if it loses any.

    Returns:
        The channels of every group that can be removed, and why others stay.

    Example:
        >>> import torch
        >>> from qubo_dnn.compression.removal.channel_groups import find_channel_groups
        >>> network, inputs = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)), Inputs.of(torch.eye(3))
        >>> _ = network[0].weight.data[0].zero_(), network[0].bias.data[0].fill_(0.5)
        >>> found, reasons = removable_channels(network, find_channel_groups(network, inputs), inputs, exact=True)
        >>> found[0].channels, found[0].constants
        ([0], {'1': {0: 0.5}})
    """
    every: Reasons = {}
    for group in groups:
        every |= group.made(list(range(group.channels)), group.obstacle) if group.obstacle else {}
    pruned = [(group, pruned_channels(model, group)) for group in groups if not group.obstacle]
    readers = [use.name for group, found in pruned if found.channels for use in group.uses if use.reads]
    observed = observe_inputs(model, readers, inputs)
    chosen: list[Removable] = []
    for group, found in pruned:
        reasons = {
            channel: _reason_to_stay(model, group, channel, found, observed, exact=exact) for channel in found.channels
        }
        removable = [channel for channel, reason in reasons.items() if reason is None]
        # One channel always stays.
        stay = round_to * max(1, -(-(group.channels - len(removable)) // round_to))
        while removable and group.channels - len(removable) < stay:
            reasons[removable.pop()] = (
                "a layer needs one" if round_to == 1 else f"they fill up a multiple of {round_to}"
            )
        for channel, reason in reasons.items():
            every |= group.made([channel], reason) if reason else {}
        if removable:
            constants = {
                use.name: {place: float(observed[use.name].mean[place]) for place in use.of(removable)}
                for use in group.uses
                if use.reads
            }
            chosen.append(Removable(group, removable, constants))
    return chosen, every


def _reason_to_stay(
    model: nn.Module,
    group: ChannelGroup,
    channel: int,
    pruned: Pruned,
    observed: Mapping[str, Observed],
    *,
    exact: bool,
) -> str | None:
    """Return why a channel cannot be folded into the layers that read it; None if it can."""
    for use in group.uses:
        if not use.reads:
            continue
        module, places = model.get_submodule(use.name), list(use.places[channel])
        if use.name not in observed:
            return f"{use.name} does not run"
        zero = zero_channels(module, inputs=True)
        if all(zero[place] for place in places):
            continue
        seen = observed[use.name]
        # At the borders, padding changes what a convolution makes of a constant.
        if not bool(seen.constant()[places].all()) and (exact or channel not in pruned.unmade):
            return f"what {use.name} reads of them varies"
        if exact and bool(seen.mean[places].any()) and not folds_exactly(module):
            return f"they are constant, and {use.name} pads with zeros"
    return None

"""Remove pruned channels from a network: the result is a plain, smaller module."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.utils.flop_counter import FlopCounterMode

from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.network.inference import forward, inference
from qubo_dnn.compression.removal.channel_groups import ChannelGroup, find_channel_groups
from qubo_dnn.compression.removal.constant_channels import (
    Observed,
    Pruned,
    fold_constants_,
    folds_exactly,
    observe_inputs,
    pruned_channels,
    zero_channels,
)
from qubo_dnn.compression.removal.shrink import drop_inputs_, drop_outputs_
from qubo_dnn.errors import QuboDnnError

# Sums over fewer channels are added up in another order, so that the last bits of the outputs change.
_TOLERANCE = 1e-4
# The dependencies are the same for any number of samples.
_TRACED = 2


@dataclass(frozen=True, eq=False)
class Removal:
    """A network without its pruned channels.

    Attributes:
        model: the smaller network, a copy; a plain module, but for its sizes of the same classes as the given one.
        channels: name of a layer -> the output channels that it has lost.
        left: name of a layer -> why pruned channels of it are still there.
        deviation: largest difference of any output from the given network's, relative to the largest output.
        macs: multiply-accumulates of all matrix products and convolutions for one sample, before and after.

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> _ = network[0].weight.data[1].zero_()
        >>> removal = remove_pruned(network, torch.randn(4, 3))
        >>> removal.model[0].weight.shape, dict(removal.channels), removal.deviation < 1e-6, removal.macs
        (torch.Size([1, 3]), {'0': (1,)}, True, (8, 4))
    """

    model: nn.Module
    channels: Mapping[str, tuple[int, ...]]
    left: Mapping[str, str]
    deviation: float
    macs: tuple[int, int]


def remove_pruned(model: nn.Module, inputs: Tensor | Inputs, *, exact: bool = True) -> Removal:
    """Remove the channels of a network that are pruned, with everything that belongs to them.

    A channel is pruned if all weights that make it are zero, or all that read it. What a constant channel contributes
    to the layers that read it is added to their biases.

    Args:
        model: the network; it is not changed.
        inputs: samples of one batch, to trace the network and to see which channels are constant.
        exact: False also removes constant channels that meet padding by zeros. At the borders, their contribution is
            then too large: see `Removal.deviation`.

    Raises:
        MissingExtraError: torch-pruning is not installed.
        ModelError: the network cannot be traced.

    Source: Fang et al. 2023, "DepGraph: Towards any structural pruning".

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 3))
        >>> _ = network[0].weight.data[:6].zero_()  # with their biases, the channels are constant
        >>> smaller = remove_pruned(network, torch.randn(4, 3, 8, 8)).model
        >>> sum(map(torch.numel, network.parameters())), sum(map(torch.numel, smaller.parameters()))
        (370, 94)
    """
    inputs = Inputs.of(inputs)
    folded = copy.deepcopy(model)
    groups = find_channel_groups(folded, inputs[:_TRACED])
    chosen, reasons = _fold_(folded, groups, inputs, exact=exact)
    with inference(folded):
        expected = forward(folded, inputs)
    smaller, kept = _drop_what_agrees(folded, chosen, inputs, expected)
    for each in chosen:
        if each not in kept:
            reasons |= each.group.made(each.channels, f"the network takes no smaller {each.group.name}")
    lost: dict[str, tuple[int, ...]] = {}
    for each in kept:
        for use in each.group.uses:
            if not use.reads and isinstance(model.get_submodule(use.name), (_ConvNd, nn.Linear)):
                lost[use.name] = tuple(use.of(each.channels))
    given, before = _outputs_and_macs(model, inputs)
    made, after = _outputs_and_macs(smaller, inputs)
    return Removal(smaller, lost, _left(model, lost, reasons), _deviation(given, made), (before, after))


def _outputs_and_macs(model: nn.Module, inputs: Inputs) -> tuple[Tensor, int]:
    """Return the outputs of a network, and its multiply-accumulates for one sample."""
    with inference(model), FlopCounterMode(display=False) as counter:
        outputs = forward(model, inputs)
    return outputs, counter.get_total_flops() // (2 * len(inputs))


def _left(
    model: nn.Module, lost: Mapping[str, tuple[int, ...]], reasons: Mapping[tuple[str, int], str]
) -> dict[str, str]:
    """Return name of a layer -> why pruned channels are still there."""
    left = {}
    for name, module in model.named_modules():
        if not isinstance(module, (_ConvNd, nn.Linear)):
            continue
        zero = {place for place, zero in enumerate(zero_channels(module, inputs=False)) if zero}
        if stay := sorted(zero.difference(lost.get(name, ()))):
            reason = reasons.get((name, stay[0]), "they are added to channels that are not pruned, or cannot be traced")
            left[name] = f"{len(stay)} pruned channel{'s' * (len(stay) > 1)}: {reason}"
    return left


@dataclass(frozen=True, eq=False)
class _Chosen:
    """Channels of a group that nothing reads any more."""

    group: ChannelGroup
    channels: list[int]


def _fold_(
    model: nn.Module, groups: Sequence[ChannelGroup], inputs: Inputs, *, exact: bool
) -> tuple[list[_Chosen], dict[tuple[str, int], str]]:
    """Fold constant channels into the biases of the layers that read them, so that nothing reads them any more.

    Returns:
        The channels that can be removed, and name and output channel of a layer -> why it stays.
    """
    every: dict[tuple[str, int], str] = {}
    for group in groups:
        every |= group.made(list(range(group.channels)), group.obstacle) if group.obstacle else {}
    pruned = [(group, pruned_channels(model, group)) for group in groups if not group.obstacle]
    readers = [use.name for group, found in pruned if found.channels for use in group.uses if use.reads]
    observed = observe_inputs(model, readers, inputs)
    chosen: list[_Chosen] = []
    for group, found in pruned:
        reasons = {
            channel: _reason_to_stay(model, group, channel, found, observed, exact=exact) for channel in found.channels
        }
        removable = [channel for channel, reason in reasons.items() if reason is None]
        if len(removable) == group.channels:
            reasons[removable.pop()] = "a layer needs one"
        for channel, reason in reasons.items():
            every |= group.made([channel], reason) if reason else {}
        if not removable:
            continue
        for use in group.uses:
            if use.reads:
                mean = observed[use.name].mean
                folded = {place: float(mean[place]) for place in use.of(removable)}
                fold_constants_(model.get_submodule(use.name), folded)
        chosen.append(_Chosen(group, removable))
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


def _drop_what_agrees(
    folded: nn.Module, chosen: Sequence[_Chosen], inputs: Inputs, expected: Tensor
) -> tuple[nn.Module, list[_Chosen]]:
    """Return a smaller copy with the same outputs, and the groups that it has lost channels of.

    Sizes that stand in the code of a network are not seen by the trace, such as the width of a padding.
    """
    smaller = _without(folded, chosen)
    if _agrees(smaller, inputs, expected):
        return smaller, list(chosen)
    kept: list[_Chosen] = []
    smaller = folded
    for each in chosen:
        trial = _without(folded, [*kept, each])
        if _agrees(trial, inputs, expected):
            smaller, kept = trial, [*kept, each]
    return smaller, kept


def _without(model: nn.Module, chosen: Iterable[_Chosen]) -> nn.Module:
    """Return a copy of a network without some channels."""
    smaller = copy.deepcopy(model)
    dropped: dict[tuple[str, bool], set[int]] = defaultdict(set)
    for each in chosen:
        for use in each.group.uses:
            dropped[use.name, use.reads] |= set(use.of(each.channels))
    for (name, reads), places in dropped.items():
        (drop_inputs_ if reads else drop_outputs_)(smaller.get_submodule(name), sorted(places))
    return smaller


def _agrees(smaller: nn.Module, inputs: Inputs, expected: Tensor) -> bool:
    """Return whether a network runs, and has the expected outputs."""
    try:
        with inference(smaller):
            made = forward(smaller, inputs)
    except (QuboDnnError, RuntimeError, ValueError, IndexError):
        # The code of a network may refuse another size in any way.
        return False
    return made.shape == expected.shape and _deviation(expected, made) <= _TOLERANCE


def _deviation(expected: Tensor, made: Tensor) -> float:
    """Return the largest difference relative to the largest expected output."""
    return float((made - expected).abs().max() / expected.abs().max().clamp(min=torch.finfo(expected.dtype).tiny))

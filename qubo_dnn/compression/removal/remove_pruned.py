"""Remove pruned channels from a network: the result is a plain, smaller module."""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.utils.flop_counter import FlopCounterMode

from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.network.inference import inference
from qubo_dnn.compression.network.outputs import all_outputs
from qubo_dnn.compression.quantization.activation_grid import without_activation_grids
from qubo_dnn.compression.removal.channel_groups import ChannelGroup, find_channel_groups
from qubo_dnn.compression.removal.constant_channels import fold_constants_, zero_channels
from qubo_dnn.compression.removal.removable_channels import Removable, removable_channels
from qubo_dnn.compression.removal.shrink import drop_inputs_, drop_outputs_
from qubo_dnn.compression.user_code import foreign_code
from qubo_dnn.errors import ModelError, OptionError

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
        inputs: name of a layer -> the input channels or features that it has lost.
        left: name of a layer -> why pruned channels of it are still there.
        deviation: largest difference of any output from the given network's, relative to the largest output. With
            quantized activations, numbers half-way between two steps may be rounded to the other one.
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
    inputs: Mapping[str, tuple[int, ...]]
    left: Mapping[str, str]
    deviation: float
    macs: tuple[int, int]


def remove_pruned(
    model: nn.Module,
    inputs: Tensor | Inputs,
    *,
    exact: bool = True,
    round_to: int = 1,
    groups: Sequence[ChannelGroup] | None = None,
) -> Removal:
    """Remove the channels of a network that are pruned, with everything that belongs to them.

    A channel is pruned if all weights that make it are zero, or all that read it. What a constant channel contributes
    to the layers that read it is added to their biases.

    Args:
        model: the network; it is not changed.
        inputs: samples of one batch, to trace the network and to see which channels are constant.
        exact: False also removes constant channels that meet padding by zeros. At the borders, their contribution is
            then too large: see `Removal.deviation`.
        round_to: layers that lose channels keep a multiple of this number, or all, with some pruned ones to fill it up:
            fast code of processors computes 8 or 16 channels at a time.
        groups: channel groups of this network, or of one that differs in its weights alone; None: they are found.

    Raises:
        MissingExtraError: torch-pruning is not installed.
        ModelError: the network cannot be traced.
        OptionError: `round_to` is less than 1.

    Source: Fang et al. 2023, "DepGraph: Towards any structural pruning".

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 3))
        >>> _ = network[0].weight.data[:6].zero_()  # with their biases, the channels are constant
        >>> smaller = remove_pruned(network, torch.randn(4, 3, 8, 8)).model
        >>> sum(map(torch.numel, network.parameters())), sum(map(torch.numel, smaller.parameters()))
        (370, 94)
    """
    if round_to < 1:
        raise OptionError(f"round_to must be at least 1, not {round_to}")
    inputs = Inputs.of(inputs)
    found = find_channel_groups(model, inputs[:_TRACED]) if groups is None else groups
    chosen, reasons = removable_channels(model, found, inputs, exact=exact, round_to=round_to)
    smaller, kept = _remove_what_agrees(model, chosen, inputs)
    for each in chosen:
        if each not in kept:
            reasons |= each.group.made(each.channels, f"the network takes no smaller {each.group.name}")
    layers = {name for name, module in model.named_modules() if isinstance(module, (_ConvNd, nn.Linear))}
    dropped = {key: tuple(places) for key, places in dropped_places(kept).items() if key[0] in layers}
    lost, unread = ({name: dropped[name, reads] for name, each in dropped if each == reads} for reads in (False, True))
    given, before = _outputs_and_macs(model, inputs)
    made, after = _outputs_and_macs(smaller, inputs)
    return Removal(smaller, lost, unread, _left(model, lost, reasons), _deviation(given, made), (before, after))


def _outputs_and_macs(model: nn.Module, inputs: Inputs) -> tuple[list[Tensor], int]:
    """Return the outputs of a network, and its multiply-accumulates for one sample."""
    with inference(model), FlopCounterMode(display=False) as counter:
        outputs = list(all_outputs(inputs.call(model)).values())
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


def _remove_what_agrees(
    model: nn.Module, chosen: Sequence[Removable], inputs: Inputs
) -> tuple[nn.Module, list[Removable]]:
    """Return a smaller copy, and the channels that it has lost: those without which the outputs stay the same.

    Sizes that stand in the code of a network are not seen by the trace, such as the width of a padding.
    """
    together = _smaller_that_agrees(model, chosen, inputs)
    if together is not None:
        return together, list(chosen)
    smaller = copy.deepcopy(model)
    kept: list[Removable] = []
    for each in chosen:
        trial = _smaller_that_agrees(model, [*kept, each], inputs)
        if trial is not None:
            smaller, kept = trial, [*kept, each]
    return smaller, kept


def _folded(model: nn.Module, chosen: Iterable[Removable]) -> nn.Module:
    """Return a copy of a network that reads no removable channel, of the same sizes."""
    folded = copy.deepcopy(model)
    for each in chosen:
        for name, constants in each.constants.items():
            fold_constants_(folded.get_submodule(name), constants)
    return folded


def _smaller(model: nn.Module, chosen: Sequence[Removable]) -> nn.Module:
    """Return a copy of a network without the removable channels."""
    smaller = _folded(model, chosen)
    for (name, reads), places in dropped_places(chosen).items():
        (drop_inputs_ if reads else drop_outputs_)(smaller.get_submodule(name), places)
    return smaller


def dropped_places(chosen: Iterable[Removable]) -> dict[tuple[str, bool], list[int]]:
    """Return name of a module, and whether it reads or makes channels -> the positions that it loses, in order.

    Example:
        >>> dropped_places([])
        {}
    """
    dropped: dict[tuple[str, bool], set[int]] = defaultdict(set)
    for each in chosen:
        for use in each.group.uses:
            dropped[use.name, use.reads] |= set(use.of(each.channels))
    return {key: sorted(places) for key, places in dropped.items()}


def _smaller_that_agrees(model: nn.Module, chosen: Sequence[Removable], inputs: Inputs) -> nn.Module | None:
    """Return the smaller network if it runs, and has the outputs of the one that does not read the channels.

    They are compared without grids of activations: a sum whose last bits change is rounded to another step of a grid
    now and then.
    """
    folded, smaller = _folded(model, chosen), _smaller(model, chosen)
    with without_activation_grids(folded, smaller):
        expected, _ = _outputs_and_macs(folded, inputs)
        try:
            # The code of a network may refuse another size in any way.
            with foreign_code(ModelError, "the smaller network does not run"):
                made, _ = _outputs_and_macs(smaller, inputs)
        except ModelError:
            return None
    return smaller if _deviation(expected, made) <= _TOLERANCE else None


def _deviation(expected: Sequence[Tensor], made: Sequence[Tensor]) -> float:
    """Return the largest difference relative to the largest number in the same output; infinity for other shapes."""
    if [each.shape for each in expected] != [each.shape for each in made]:
        return math.inf
    worst = 0.0
    for one, other in zip(expected, made, strict=True):
        if one.is_floating_point() and one.numel():
            scale = one.abs().max().clamp(min=torch.finfo(one.dtype).tiny)
            worst = max(worst, float((other - one).abs().max() / scale))
    return worst

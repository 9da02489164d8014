"""Find which channels of which modules can only be removed together.

Removing an output channel of a layer also removes the entries of its norms and the inputs of the layers that read it;
channels that are added up leave together. torch-pruning finds these dependencies.

Source: Fang et al. 2023, "DepGraph: Towards any structural pruning".
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.network.inference import measuring
from qubo_dnn.compression.network.outputs import all_outputs
from qubo_dnn.compression.quantization.activation_grid import without_activation_grids
from qubo_dnn.compression.user_code import foreign_code
from qubo_dnn.errors import ModelError
from qubo_dnn.support.extras import require

EXTRA = "torch"
"""The extra of this package that installs torch-pruning."""
OUTPUTS = "its channels are outputs of the network"
"""The obstacle of channels that are outputs of the network."""


@dataclass(frozen=True)
class Use:
    """An axis of a module that has the channels of a group.

    Attributes:
        name: name of the module, as in `named_modules`.
        reads: True for the inputs of a layer, False for its outputs and for the entries of a norm.
        places: channel of the group -> its positions on the axis; several where maps are flattened.

    Example:
        >>> Use("head", reads=True, places=((0, 1), (2, 3))).of([1])
        [2, 3]
    """

    name: str
    reads: bool
    places: tuple[tuple[int, ...], ...]

    def of(self, channels: list[int]) -> list[int]:
        """Return the positions of some channels of the group."""
        return [place for channel in channels for place in self.places[channel]]


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that can be removed one by one, each from all modules that have it.

    Attributes:
        channels: number of channels.
        uses: axes that have them; the first one is that of a layer that makes them.
        obstacle: why no channel can be removed; None if they can.

    Example:
        >>> made, read = Use("0", reads=False, places=((0,), (1,))), Use("2", reads=True, places=((0,), (1,)))
        >>> ChannelGroup(2, (made, read)).name
        '0'
    """

    channels: int
    uses: tuple[Use, ...]
    obstacle: str | None = None

    @property
    def name(self) -> str:
        """Name of the first layer that makes the channels."""
        return self.uses[0].name

    def made(self, channels: list[int], value: str) -> dict[tuple[str, int], str]:
        """Return `value` for the name and the position of every output that makes one of some channels."""
        return {(use.name, place): value for use in self.uses if not use.reads for place in use.of(channels)}


def find_channel_groups(model: nn.Module, inputs: Inputs) -> list[ChannelGroup]:
    """Find the channel groups of a network.

    Args:
        model: the network; it runs once in eval mode with gradients.
        inputs: a few samples.

    Returns:
        Groups in the order of the modules; every output channel of a convolution or Linear that runs is in one.

    Raises:
        MissingExtraError: torch-pruning is not installed.
        ModelError: the network cannot be traced.

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
        >>> groups = find_channel_groups(network, Inputs.of(torch.zeros(1, 3, 4, 4)))
        >>> [(use.name, use.reads, use.places[1]) for use in groups[0].uses]
        [('0', False, (1,)), ('1', False, (1,)), ('4', True, (4, 5, 6, 7))]
        >>> groups[1].obstacle
        'its channels are outputs of the network'
    """
    tp = require("torch_pruning", EXTRA)
    names = {module: name for name, module in model.named_modules()}
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        for parameter, _ in flags:
            # The graph is read off the gradients; frozen weights have none.
            parameter.requires_grad_(parameter.is_floating_point())
        # torch-pruning follows gradients, and knows no step that rounds.
        with (
            without_activation_grids(model),
            measuring(model),
            warnings.catch_warnings(),
            foreign_code(ModelError, "the network cannot be traced"),
        ):
            warnings.simplefilter("ignore")
            graph = tp.DependencyGraph().build_dependency(model, inputs, forward_fn=_traced_outputs, verbose=False)
            found = list(_groups(graph, names))
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
    order = {name: place for place, name in enumerate(names.values())}
    return sorted(found, key=lambda group: order[group.name])


def _traced_outputs(model: nn.Module, inputs: Inputs) -> list[Tensor]:
    """Return the outputs that depend on weights, out of whatever the network returns."""
    return [each for each in all_outputs(inputs.call(model)).values() if each.requires_grad]


def _groups(graph: Any, names: dict[nn.Module, str]) -> Iterator[ChannelGroup]:
    """Generate the groups of all convolutions and Linears; what torch-pruning cannot follow becomes an obstacle."""
    seen: set[nn.Module] = set()
    for module in graph.module2node:
        if module in seen or not isinstance(module, (_ConvNd, nn.Linear)):
            continue
        pruner = graph.get_pruner_of_module(module)
        channels = pruner.get_out_channels(module)
        try:
            with foreign_code(ModelError, "their way through the network cannot be followed"):
                found = graph.get_pruning_group(module, pruner.prune_out_channels, list(range(channels)))
        except ModelError as cause:
            made = Use(names[module], reads=False, places=tuple((channel,) for channel in range(channels)))
            yield ChannelGroup(channels, (made,), str(cause))
            continue
        seen.update(item.dep.target.module for item in found if graph.is_out_channel_pruning_fn(item.dep.handler))
        yield _group(found, graph, names)


def _group(found: Any, graph: Any, names: dict[nn.Module, str]) -> ChannelGroup:
    """Return a group of torch-pruning as plain data."""
    channels = len(found[0].idxs)
    uses: list[Use] = []
    obstacles: list[str] = []
    for item in found:
        module = item.dep.target.module
        if module not in names:
            obstacles += _obstacles_of_operation(module)
            continue
        pruner = graph.get_pruner_of_module(module)
        reads = item.dep.handler == pruner.prune_in_channels != pruner.prune_out_channels
        places: list[list[int]] = [[] for _ in range(channels)]
        for place, channel in zip(item.idxs, item.root_idxs, strict=True):
            places[channel].append(place)
        uses.append(Use(names[module], reads, tuple(map(tuple, places))))
        obstacles += _obstacles(names[module], module)
        # For example behind a pixel shuffle, which the trace does not know, or where zeros are added as channels.
        if max(item.idxs) >= _size(module, reads):
            obstacles.append(f"they are padded or rearranged before {names[module]} ({type(module).__name__})")
    # The root comes first, and then each module once with its outputs and once with its inputs.
    if not any(use.reads for use in uses):
        obstacles = [OUTPUTS]
    return ChannelGroup(channels, tuple(uses), obstacles[0] if obstacles else None)


def _obstacles_of_operation(module: object) -> Iterator[str]:
    """Generate why channels cannot be removed that pass through an operation, or a parameter, outside of modules."""
    if isinstance(module, nn.Parameter):
        yield f"they meet a parameter of shape {tuple(module.shape)} outside of any layer"
    elif type(module).__name__ == "_OutputOp":
        yield OUTPUTS


def _obstacles(name: str, module: nn.Module) -> Iterator[str]:
    """Generate why no channel can be removed from a module."""
    kind = type(module).__name__
    if isinstance(module, _ConvNd) and module.groups > 1 and not is_depthwise(module):
        yield f"{name} ({kind}) has groups of channels"
    elif not isinstance(module, (_ConvNd, nn.Linear, _BatchNorm, nn.PReLU)):
        yield f"{name} ({kind}) mixes its channels" if _is_norm(module) else f"{name} ({kind}) keeps its size"
    elif any(attribute not in module._parameters for attribute in ("weight", "bias")) and not isinstance(
        module, nn.PReLU
    ):
        yield f"the weight of {name} ({kind}) is computed from other tensors"


def _size(module: nn.Module, reads: bool) -> float:
    """Return the number of channels that a module reads or makes; infinity if it takes any number."""
    if isinstance(module, _ConvNd):
        return module.in_channels if reads else module.out_channels
    if isinstance(module, nn.Linear):
        return module.in_features if reads else module.out_features
    return module.num_features if isinstance(module, _BatchNorm) else math.inf


def _is_norm(module: nn.Module) -> bool:
    return isinstance(module, (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm))


def is_depthwise(module: nn.Module) -> bool:
    """Return whether every output channel of a convolution reads the input channel of the same number alone.

    Example:
        >>> is_depthwise(nn.Conv2d(4, 4, 3, groups=4)), is_depthwise(nn.Conv2d(1, 1, 3))
        (True, False)
    """
    return (
        isinstance(module, _ConvNd)
        and not isinstance(module, _ConvTransposeNd)
        and (module.groups == module.in_channels == module.out_channels > 1)
    )

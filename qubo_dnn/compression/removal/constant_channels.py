"""Channels that are constant: pruned ones, and the constants that their consumers see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from qubo_dnn.compression.data.inputs import Inputs
from qubo_dnn.compression.network.inference import inference
from qubo_dnn.compression.network.layer_calls import input_of
from qubo_dnn.compression.removal.channel_groups import ChannelGroup, is_depthwise

# A value counts as constant if it varies by at most this share of the largest value that its layer reads.
_VARIES = 1e-6


@dataclass(frozen=True)
class Pruned:
    """The pruned channels of a group.

    Attributes:
        unmade: channels that no layer makes: all weights that make them are zero.
        stopped: channels that are made, but end in zero weights of a depthwise convolution.
        unread: channels that no layer reads.

    Example:
        >>> Pruned(unmade=(1, 3), stopped=(), unread=(3,)).channels
        [1, 3]
    """

    unmade: tuple[int, ...]
    stopped: tuple[int, ...]
    unread: tuple[int, ...]

    @property
    def channels(self) -> list[int]:
        """All of them, in order."""
        return sorted({*self.unmade, *self.stopped, *self.unread})


def pruned_channels(model: nn.Module, group: ChannelGroup) -> Pruned:
    """Return the channels of a group whose values depend on no input, or do not matter, as far as the weights tell.

    Example:
        >>> from qubo_dnn.compression.removal.channel_groups import find_channel_groups
        >>> network = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> _ = network[0].weight.data[1].zero_()
        >>> pruned_channels(network, find_channel_groups(network, Inputs.of(torch.zeros(1, 3)))[0])
        Pruned(unmade=(1,), stopped=(), unread=())
    """
    unmade = torch.ones(group.channels, dtype=torch.bool)
    unread = torch.full((group.channels,), any(use.reads for use in group.uses))
    stopped = torch.zeros(group.channels, dtype=torch.bool)
    for use in group.uses:
        module = model.get_submodule(use.name)
        if not isinstance(module, (_ConvNd, nn.Linear)):
            continue
        flags = zero_channels(module, inputs=use.reads)
        zero = torch.tensor([all(flags[place] for place in places) for places in use.places])
        if use.reads:
            unread &= zero
        elif is_depthwise(module):
            stopped |= zero
        else:
            unmade &= zero
    found = (tuple(each.nonzero()[:, 0].tolist()) for each in (unmade, stopped & ~unmade, unread))
    return Pruned(*found)


def zero_channels(module: nn.Module, *, inputs: bool) -> list[bool]:
    """Return for every output channel, or input channel, of a layer whether all its weights are zero.

    Example:
        >>> layer = nn.Linear(3, 2)
        >>> _ = layer.weight.data[1].zero_()
        >>> zero_channels(layer, inputs=False)
        [False, True]
    """
    weight = module.get_parameter("weight").detach()
    axis = int(inputs) if not isinstance(module, _ConvTransposeNd) else int(not inputs)
    flat = weight.movedim(axis, 0).flatten(1)
    return [not nonzero for nonzero in flat.any(1).tolist()]


@dataclass(frozen=True, eq=False)
class Observed:
    """The values of every input channel of a layer, over samples and positions.

    Attributes:
        low, high, mean: [input channels or features].

    Example:
        >>> seen = Observed(low=torch.tensor([0.5, 0.0]), high=torch.tensor([0.5, 2.0]), mean=torch.tensor([0.5, 0.3]))
        >>> seen.constant().tolist()
        [True, False]
    """

    low: Tensor
    high: Tensor
    mean: Tensor

    def constant(self) -> Tensor:
        """Return for every channel whether it is constant."""
        scale = torch.maximum(self.low.abs(), self.high.abs()).max()
        return self.high - self.low <= _VARIES * scale


def observe_inputs(model: nn.Module, names: Iterable[str], inputs: Inputs) -> dict[str, Observed]:
    """Run a network, and return the values of the inputs of some layers; those that do not run are missing.

    Activations that are quantized are seen as the layers read them: rounded.

    Args:
        model: the network.
        names: names of convolutions and Linear layers.
        inputs: samples of one batch.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 1))
        >>> observe_inputs(network, ["0"], Inputs.of(torch.tensor([[1.0, 2.0], [1.0, 3.0]])))["0"].high.tolist()
        [1.0, 3.0]
    """
    seen: dict[str, Observed] = {}

    def hook(name: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        x = input_of(args, kwargs).detach()
        axis = x.dim() - 1 if isinstance(module, nn.Linear) else x.dim() - _spatial(module) - 1
        flat = x.movedim(axis, 0).flatten(1)
        now = Observed(flat.min(1).values, flat.max(1).values, flat.mean(1))
        if before := seen.get(name):
            # Of several calls, the mean is that of the first.
            low, high = torch.minimum(now.low, before.low), torch.maximum(now.high, before.high)
            now = Observed(low, high, before.mean)
        seen[name] = now

    handles = [
        model.get_submodule(name).register_forward_pre_hook(partial(hook, name), with_kwargs=True)
        for name in dict.fromkeys(names)
    ]
    try:
        with inference(model):
            inputs.call(model)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _spatial(module: nn.Module) -> int:
    """Return the number of axes that a convolution runs along."""
    return module.get_parameter("weight").dim() - 2


def folds_exactly(module: nn.Module) -> bool:
    """Return whether a constant input channel adds the same value to every output: always, without padding by zeros.

    Example:
        >>> folds_exactly(nn.Conv2d(3, 4, 3)), folds_exactly(nn.Conv2d(3, 4, 3, padding=1))
        (True, False)
    """
    if isinstance(module, nn.Linear):
        return True
    if isinstance(module, _ConvTransposeNd) or not isinstance(module, _ConvNd):
        return False
    padded = module.padding != "valid" if isinstance(module.padding, str) else any(module.padding)
    return not padded or module.padding_mode != "zeros"


def fold_constants_(module: nn.Module, constants: Mapping[int, float]) -> None:
    """Add what constant input channels contribute to the outputs of a layer to its bias, and set their weights to zero.

    Where padding cuts a kernel off, the contribution was smaller: see `folds_exactly`.

    Args:
        module: a convolution without groups, or a Linear. It gets a bias if it has none.
        constants: input channel or feature -> its value.

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> _ = layer.weight.data.copy_(torch.tensor([[3.0, 5.0]]))
        >>> fold_constants_(layer, {1: 2.0})
        >>> layer.bias.tolist(), layer.weight.tolist()
        ([10.0], [[3.0, 0.0]])
    """
    if not constants:
        return
    weight = module.get_parameter("weight")
    inputs = weight.detach().transpose(0, 1) if isinstance(module, _ConvTransposeNd) else weight.detach()
    sums = (
        inputs[:, list(constants)].double().flatten(2).sum(2)
        if inputs.dim() > 2
        else inputs[:, list(constants)].double()
    )
    shift = (sums @ torch.tensor(list(constants.values()), dtype=torch.float64, device=weight.device)).to(weight.dtype)
    with torch.no_grad():
        inputs[:, list(constants)] = 0.0
        if module.bias is not None:
            module.get_parameter("bias").add_(shift)
        elif shift.any():
            module.bias = nn.Parameter(shift, requires_grad=weight.requires_grad)

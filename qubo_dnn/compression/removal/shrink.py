"""Take channels out of a module: its tensors get smaller, and its sizes follow."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from qubo_dnn.compression.removal.channel_groups import is_depthwise


def drop_outputs_(module: nn.Module, dropped: list[int]) -> None:
    """Take output channels out of a convolution or Linear, or entries out of a norm or PReLU, in place.

    Args:
        module: one of those that `find_channel_groups` finds no obstacle in.
        dropped: positions to take out; at least one position must stay.

    Example:
        >>> layer = nn.Conv2d(3, 8, 3)
        >>> drop_outputs_(layer, [0, 7])
        >>> layer.weight.shape, layer.bias.shape, layer.out_channels
        (torch.Size([6, 3, 3, 3]), torch.Size([6]), 6)
    """
    if isinstance(module, nn.PReLU):
        if module.num_parameters > 1:
            _take(module, "weight", 0, dropped)
            module.num_parameters = len(module.weight)
    elif isinstance(module, _BatchNorm):
        for name in ("weight", "bias", "running_mean", "running_var"):
            _take(module, name, 0, dropped)
        module.num_features -= len(dropped)
    elif isinstance(module, _ConvNd):
        depthwise = is_depthwise(module)
        _take(module, "weight", 1 if isinstance(module, _ConvTransposeNd) else 0, dropped)
        _take(module, "bias", 0, dropped)
        module.out_channels -= len(dropped)
        if depthwise:
            module.in_channels = module.groups = module.out_channels
    elif isinstance(module, nn.Linear):
        _take(module, "weight", 0, dropped)
        _take(module, "bias", 0, dropped)
        module.out_features -= len(dropped)


def drop_inputs_(module: nn.Module, dropped: list[int]) -> None:
    """Take input channels out of a convolution, or input features out of a Linear, in place.

    Example:
        >>> layer = nn.Linear(5, 2)
        >>> drop_inputs_(layer, [1])
        >>> layer.weight.shape, layer.in_features
        (torch.Size([2, 4]), 4)
    """
    _take(module, "weight", 0 if isinstance(module, _ConvTransposeNd) else 1, dropped)
    if isinstance(module, _ConvNd):
        module.in_channels -= len(dropped)
    elif isinstance(module, nn.Linear):
        module.in_features -= len(dropped)


def _take(module: nn.Module, name: str, axis: int, dropped: list[int]) -> None:
    """Replace a parameter or buffer by a copy without some positions; None stays None."""
    given: Tensor | None = getattr(module, name)
    if given is None:
        return
    stays = torch.ones(given.shape[axis], dtype=torch.bool)
    stays[dropped] = False
    taken = given.detach().index_select(axis, stays.nonzero()[:, 0].to(given.device)).clone()
    if isinstance(given, nn.Parameter):
        setattr(module, name, nn.Parameter(taken, requires_grad=given.requires_grad))
    else:
        setattr(module, name, taken)

"""Positions of the weights of an output channel in the weight of a layer, without the torch module."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """The shape of a weight, and the axis of its output channels.

    Attributes:
        shape: shape of the weight: `[channels, ...]`, or `[inputs, channels / groups, ...]` for a transposed
            convolution, in which the channels of a group read the inputs of that group.
        transposed: 0 if channels come first, else the number of groups of the transposed convolution.

    Example:
        >>> import torch
        >>> layout = Layout((8, 3, 5, 5))
        >>> layout.channels, layout.weights_per_channel, layout.rows(torch.zeros(8, 3, 5, 5)).shape
        (8, 75, torch.Size([8, 75]))
    """

    shape: tuple[int, ...]
    transposed: int = 0

    @property
    def channels(self) -> int:
        """Number of output channels."""
        return self.shape[1] * self.transposed if self.transposed else self.shape[0]

    @property
    def weights_per_channel(self) -> int:
        """Number of weights of one output channel."""
        return math.prod(self.shape) // self.channels

    def rows(self, weight: Tensor) -> Tensor:
        """Reshape `[..., *shape]` to `[..., channels, weights_per_channel]`; inputs come before positions."""
        lead = weight.shape[: weight.dim() - len(self.shape)]
        if self.transposed:
            inputs, channels = self.shape[0] // self.transposed, self.shape[1]
            split = weight.reshape(*lead, self.transposed, inputs, channels, -1)
            weight = split.transpose(-3, -2)
        return weight.reshape(*lead, self.channels, self.weights_per_channel)

    def weight(self, rows: Tensor) -> Tensor:
        """Undo `rows`."""
        lead = rows.shape[:-2]
        if self.transposed:
            inputs, channels = self.shape[0] // self.transposed, self.shape[1]
            rows = rows.reshape(*lead, self.transposed, channels, inputs, -1).transpose(-3, -2)
        return rows.reshape(*lead, *self.shape)

"""Where the weights of an output channel stand in a layer's weight. No torch module is needed to tell."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """The shape of a weight, and the axis of its output channels.

    Attributes:
        shape: of the weight: `[channels, ...]`, or that of a transposed convolution, `[inputs, channels / groups, ...]`
            with the channels of a group reading the inputs of that group.
        transposed: 0 where channels come first, else the number of groups of the transposed convolution.
    """

    shape: tuple[int, ...]
    transposed: int = 0

    @property
    def channels(self) -> int:
        """Output channels."""
        return self.shape[1] * self.transposed if self.transposed else self.shape[0]

    @property
    def weights_per_channel(self) -> int:
        """Weights of one output channel."""
        return math.prod(self.shape) // self.channels

    def rows(self, weight: Tensor) -> Tensor:
        """`[..., *shape]` as `[..., channels, weights_per_channel]`, the inputs of a channel before its positions."""
        lead = weight.shape[: weight.dim() - len(self.shape)]
        if self.transposed:
            inputs, channels = self.shape[0] // self.transposed, self.shape[1]
            split = weight.reshape(*lead, self.transposed, inputs, channels, -1)
            weight = split.transpose(-3, -2)
        return weight.reshape(*lead, self.channels, self.weights_per_channel)

    def weight(self, rows: Tensor) -> Tensor:
        """The inverse of `rows`."""
        lead = rows.shape[:-2]
        if self.transposed:
            inputs, channels = self.shape[0] // self.transposed, self.shape[1]
            rows = rows.reshape(*lead, self.transposed, channels, inputs, -1).transpose(-3, -2)
        return rows.reshape(*lead, *self.shape)

"""What the options of a layer do to its weight."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from qubo_dnn.compression.network.layers import Layer


@dataclass(frozen=True, eq=False)
class LayerChanges:
    """What every option does to one layer's weights.

    Attributes:
        layer: the layer.
        group: output channels in a unit.
        changes: [K, *weight.shape] float32, weights at every option minus the weights there are.
    """

    layer: Layer
    group: int
    changes: Tensor

    @property
    def units(self) -> int:
        return -(-self.layer.channels // self.group)

    @cached_property
    def removal(self) -> int | None:
        """The option that changes every weight to 0, if there is one."""
        removed = [
            k for k, change in enumerate(self.changes) if torch.equal(change, -self.layer.weight.detach().float())
        ]
        return removed[0] if removed else None

    @cached_property
    def effective(self) -> list[int]:
        """The options that change a weight."""
        return [k for k, change in enumerate(self.changes) if change.any()]

    def per_unit(self, channels: Tensor) -> Tensor:
        """Sum a [channels, ...] tensor over the channels of each unit; [units, ...]."""
        if self.group == 1:
            return channels
        unit = torch.arange(self.layer.channels) // self.group
        return channels.new_zeros(self.units, *channels.shape[1:]).index_add_(0, unit, channels)

    def squared_error(self) -> Tensor:
        """[units, K] squared l2 norm of every unit's change, float64."""
        return self.per_unit(self.layer.rows(self.changes.double()).square().sum(2).T)

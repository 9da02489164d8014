"""The changes that the options make to the weight of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from qubo_dnn.compression.network.layers import Layer
from qubo_dnn.compression.sensitivity.removed_channels import ReadChannels


@dataclass(frozen=True, eq=False)
class LayerChanges:
    """The change of the weight of one layer at every option.

    Attributes:
        layer: the layer.
        group: output channels in a unit.
        changes: [K, *weight.shape] float32, weight at every option minus the present weight.
        reads: where other layers read the channels, if removing them is measured there; empty: it is measured as the
            change of the weight.

    Example:
        >>> from torch import nn
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> layer = find_layers(nn.Sequential(nn.Linear(3, 2))).layers[0]
        >>> changes = LayerChanges(layer, 1, torch.stack([-layer.weight.detach(), torch.zeros(2, 3)]))  # prune, keep
        >>> changes.units, changes.removal, changes.effective
        (2, 0, [0])
    """

    layer: Layer
    group: int
    changes: Tensor
    reads: tuple[ReadChannels, ...] = ()

    @property
    def units(self) -> int:
        return -(-self.layer.channels // self.group)

    @cached_property
    def removal(self) -> int | None:
        """Index of the option that sets every weight to 0, or None."""
        removed = [
            k for k, change in enumerate(self.changes) if torch.equal(change, -self.layer.weight.detach().float())
        ]
        return removed[0] if removed else None

    @cached_property
    def effective(self) -> list[int]:
        """Indices of the options that change a weight."""
        return [k for k, change in enumerate(self.changes) if change.any()]

    @cached_property
    def effective_rows(self) -> Tensor:
        """[channels, weights per channel, E] the changes of the effective options."""
        return self.layer.rows(self.changes[self.effective]).permute(1, 2, 0).contiguous()

    def per_unit(self, channels: Tensor) -> Tensor:
        """Sum a [channels, ...] tensor over the channels of each unit; [units, ...].

        A tensor [1, ...] is the sum over all channels of the only unit already.
        """
        if self.group == 1 or len(channels) == self.units == 1:
            return channels
        unit = torch.arange(self.layer.channels, device=channels.device) // self.group
        return channels.new_zeros(self.units, *channels.shape[1:]).index_add_(0, unit, channels)

    def squared_error(self) -> Tensor:
        """Return [units, K] the squared l2 norm of every unit's change, float64, on the CPU."""
        return self.per_unit(self.layer.rows(self.changes.double()).square().sum(2).T).cpu()

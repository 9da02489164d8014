"""The changes that widths make to what a layer reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from qubo_dnn.compression.network.layers import Layer
from qubo_dnn.compression.quantization.activation_grid import ActivationGrid
from qubo_dnn.compression.quantization.activations import ActivationSite


@dataclass(frozen=True, eq=False)
class ActivationChanges:
    """The change of what one layer reads at every option.

    Attributes:
        layer: a layer that is measured by calls of its modules.
        site: the distribution of what it reads.
        options: K.
        grids: number of an option that it may take -> its grid; None: the numbers stay as they are.
        present: its grid in the measured network; None: it has none.

    Example:
        >>> import numpy as np
        >>> from torch import nn
        >>> from qubo_dnn.compression.network.layers import find_layers
        >>> layer = find_layers(nn.Sequential(nn.Linear(3, 2))).layers[0]
        >>> site = ActivationSite(("0",), 0.0, 3.0, np.array([1.4, 3.0]), np.ones(2), "minmax")
        >>> changes = ActivationChanges(layer, site, options=3, grids={1: site.grid(2), 2: None}, present=None)
        >>> changes.effective, changes.of(torch.tensor([[1.25]])).tolist(), changes.squared_error().numpy().round(2)
        ([1], [[[-0.25]]], array([[0.  , 0.16, 0.  ]]))
    """

    layer: Layer
    site: ActivationSite
    options: int
    grids: Mapping[int, ActivationGrid | None]
    present: ActivationGrid | None

    @cached_property
    def effective(self) -> list[int]:
        """Numbers of the options that change anything."""
        return [k for k, grid in self.grids.items() if grid != self.present]

    def of(self, inputs: Tensor) -> Tensor:
        """Return [E, N, ...] the changes by the effective options of inputs [N, ...] that are on no grid."""
        now = _on(self.present, inputs)
        return torch.stack([_on(self.grids[k], inputs) - now for k in self.effective])

    def squared_error(self) -> Tensor:
        """Return [1, K] the squared l2 norm of the change of what a sample gives to read, float64, on the CPU."""
        errors = torch.zeros(1, self.options, dtype=torch.float64)
        for k in self.effective:
            errors[0, k] = self.site.squared_error(self.grids[k], self.present)
        return errors


def _on(grid: ActivationGrid | None, inputs: Tensor) -> Tensor:
    return inputs if grid is None else grid(inputs)

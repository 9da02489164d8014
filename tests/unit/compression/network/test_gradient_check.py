"""Gradients compared with differences."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.gradient_check import explained_by_gradients
from qubo_dnn.compression.network.layers import find_layers


class Wave(nn.Linear):
    """A wave of what a Linear gives, so short that the gradient holds for very small changes of the weight alone."""

    def __init__(self, frequency: float, *, detached: bool) -> None:
        super().__init__(3, 3)
        self.frequency, self.detached = frequency, detached

    def forward(self, x: Tensor) -> Tensor:
        waves = torch.sin(self.frequency * super().forward(x)) / self.frequency
        return waves + waves.detach() if self.detached else waves


def explained(frequency: float, *, detached: bool) -> bool:
    torch.manual_seed(0)
    network = nn.Sequential(Wave(frequency, detached=detached))
    samples = Data.from_tensors(torch.randn(8, 3, generator=torch.Generator().manual_seed(1)))
    return explained_by_gradients(network, find_layers(network).layers, samples) == {"0"}


def test_steps_get_small_enough_for_strong_curvature() -> None:
    assert explained(1.0, detached=False)
    assert explained(1500.0, detached=False)


def test_what_is_detached_is_explained_at_no_step() -> None:
    assert not explained(1.0, detached=True)
    assert not explained(1500.0, detached=True)

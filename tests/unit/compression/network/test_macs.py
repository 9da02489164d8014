from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.network.macs import count_macs
from qubo_dnn.errors import DataError


def counted(model: nn.Module, *shape: int) -> dict[str, int]:
    images = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    return count_macs(find_layers(model), Data.from_tensors(images, torch.zeros(3, dtype=torch.long)))


def test_convolutions_and_linear_layers() -> None:
    model = nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2, padding=1),  # 8x8 -> 4x4
        nn.Conv2d(6, 6, 3, groups=3),  # -> 2x2
        nn.Flatten(),
        nn.Linear(24, 5),
    )
    assert counted(model, 4, 8, 8) == {"0": 4 * 4 * 6 * 4 * 9, "1": 2 * 2 * 6 * 2 * 9, "3": 24 * 5}


def test_a_transposed_convolution_uses_its_weights_once_for_every_input_position() -> None:
    """The same as the convolution whose gradient it is."""
    model = nn.Sequential(nn.ConvTranspose2d(6, 4, 2, stride=2, groups=2))  # 3x3 -> 6x6
    assert counted(model, 6, 3, 3) == {"0": 3 * 3 * 6 * 2 * 4}


def test_a_linear_layer_on_a_sequence_counts_every_token() -> None:
    assert counted(nn.Sequential(nn.Linear(7, 5), nn.Flatten(), nn.Linear(15, 2)), 3, 7) == {"0": 3 * 35, "2": 30}


class Twice(nn.Module):
    """Runs one layer twice, by keyword the second time, and another one never."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.used(input=self.used(x))
        return result


def test_all_calls_count_and_layers_that_do_not_run_count_nothing() -> None:
    assert counted(Twice(), 4) == {"used": 32, "unused": 0}


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout()).train()
    counted(model, 4)
    assert model.training
    assert not model[0]._forward_hooks


def test_images_that_do_not_fit_are_refused_and_hooks_removed() -> None:
    model = nn.Sequential(nn.Linear(4, 4))
    with pytest.raises(DataError, match="does not take its images"):
        counted(model, 5)
    assert not model[0]._forward_hooks

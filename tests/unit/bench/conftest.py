"""A tiny network with BatchNorm, its images, and a small task."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.task.task import CompressionTask
from qubo_formulations.example_task import example_task


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the benchmarks to the full test suite: a change elsewhere that breaks them breaks other tests too."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


class Residual(nn.Module):
    """Two convolutions with BatchNorm, a shortcut around the second, and a classifier; 11 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.linear = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)) + y)
        logits: Tensor = self.linear(y.mean((2, 3)))
        return logits


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    model = Residual()
    for norm in (model.bn1, model.bn2):
        norm.get_buffer("running_mean").normal_()
        norm.get_buffer("running_var").uniform_(0.5, 2.0)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.normal_(model.linear.weight, std=3.0)
    return model.eval()


@pytest.fixture
def images(network: nn.Module) -> Data:
    """24 images, labelled by the network itself."""
    pixels = torch.randn(24, 2, 5, 5, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return Data.from_tensors(pixels, network(pixels).argmax(1))


@pytest.fixture
def task() -> CompressionTask:
    """5 units with 3 options each: 243 choices."""
    return example_task(0)


@pytest.fixture
def feasible(task: CompressionTask) -> list[NDArray[np.intp]]:
    """Every choice within the task's limit."""
    units, options = task.cost.shape
    choices = (np.array(picked, np.intp) for picked in itertools.product(range(options), repeat=units))
    return [choice for choice in choices if task.stored_bits(task.plan(choice)) <= task.limit]

"""The network that methods are compared on, with its images."""

from __future__ import annotations

import sys
from pathlib import Path

from torch import nn

from bench.command import NETWORK_FILES
from qubo_dnn import zoo
from qubo_dnn.compression.data.dataset import Data, load_data
from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.compression.network.loading import load_network


def accuracy(model: nn.Module, test: Data) -> float:
    """Share of the images that a classifier gets right."""
    share = evaluate(model, test).accuracy
    assert share is not None  # cross-entropy is a loss of classification
    return share


def load(folder: Path | None) -> tuple[nn.Module, Data, Data]:
    """The network, its calibration images and its test images.

    Args:
        folder: holds `NETWORK_FILES`, a ResNet-20 with images of CIFAR-10; None takes the zoo's network and its images.

    Raises:
        QuboDnnError: a file is missing or cannot be used.
    """
    if folder is None:
        entry = zoo.load("mnist-cnn")
        return entry.module, entry.calibration, entry.test
    module, weights, calibration, test = NETWORK_FILES
    sys.path.insert(0, str(folder))
    name = module.removesuffix(".py")
    network = load_network(f"{name}:resnet20", folder / weights)
    normal = (sys.modules[name].MEAN, sys.modules[name].STD)
    return network, load_data(str(folder / calibration), *normal), load_data(str(folder / test), *normal)

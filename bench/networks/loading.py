"""The network that methods are compared on, with its images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from torch import nn

from bench.command import add_folder_option
from qubo_dnn import zoo
from qubo_dnn.compression.network.dataset import Data, load_data
from qubo_dnn.compression.network.loading import load_network

FOLDER = "QUBO_DNN_BENCH_DATA"
_FILES = ("resnet_cifar.py", "resnet20.safetensors", "cifar10_calibration.npz", "cifar10_test.npz")


def load(folder: Path | None) -> tuple[nn.Module, Data, Data]:
    """The network, its calibration images and its test images.

    Args:
        folder: holds `_FILES`, a ResNet-20 with images of CIFAR-10; None takes the zoo's network and its images.

    Raises:
        QuboDnnError: a file is missing or cannot be used.
    """
    if folder is None:
        entry = zoo.load("mnist-cnn")
        return entry.module, entry.calibration, entry.test
    module, weights, calibration, test = _FILES
    sys.path.insert(0, str(folder))
    name = module.removesuffix(".py")
    network = load_network(f"{name}:resnet20", folder / weights)
    normal = (sys.modules[name].MEAN, sys.modules[name].STD)
    return network, load_data(str(folder / calibration), *normal), load_data(str(folder / test), *normal)


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """The option `--data`, whose default is the environment variable `FOLDER`."""
    add_folder_option(parser, "--data", FOLDER, ", ".join(_FILES), "the zoo's mnist-cnn")

"""A network as methods get it, and what is known of it before it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from bench.networks.shipped.packages import folder_of
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.joint_loss import LossTerm
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY, Loss

BATCH = 50
"""Samples at a time, so that the memory of a run is that of the method."""


@dataclass(frozen=True, eq=False)
class ShippedNetwork:
    """A trained network with its inputs.

    Attributes:
        module: the network.
        calibration: inputs that methods get.
        test: further inputs, which share nothing with `calibration`.
        metric: of the task, 0 to 1, of any network with the outputs of `module`, on the test inputs.
        loss: of the outputs without one of their own.
        outputs: those that are compared, where there are several.
    """

    module: nn.Module
    calibration: Data
    test: Data
    metric: Callable[[nn.Module], float]
    loss: Loss = CROSS_ENTROPY
    outputs: tuple[LossTerm, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A network of the benchmark, not loaded.

    Attributes:
        name: of the network.
        packages: modules of PyPI packages that it needs.
        task: what it does.
        inputs: what it is run on, in words.
        metric: in words.
        granularity: of all methods.
        seeds: how many every method is run with.
        load: from a seed, of the calibration inputs, and the folder of CIFAR-10 to the network.
        needs_folder: whether it needs that folder.
    """

    name: str
    packages: tuple[str, ...]
    task: str
    inputs: str
    metric: str
    granularity: str
    seeds: int
    load: Callable[[int, Path | None], ShippedNetwork]
    needs_folder: bool = False

    def check(self) -> None:
        """See that its packages are installed.

        Raises:
            MissingExtraError: one is not.
        """
        for package in self.packages:
            folder_of(package)

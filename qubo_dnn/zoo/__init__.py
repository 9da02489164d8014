"""Small pretrained networks that ship with the package, to try and to test compression on."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING

from qubo_dnn.errors import ModelError, suggestion
from qubo_dnn.extras import require

if TYPE_CHECKING:
    from torch import nn

    from qubo_dnn.compression.network.dataset import Data

PREFIX = "zoo:"
"""Of networks of the zoo, where they are named beside other networks."""
_MODULES = {"mnist-cnn": "qubo_dnn.zoo.mnist_cnn"}


@dataclass(frozen=True)
class ZooEntry:
    """A pretrained network and the data to calibrate and to test it with, each made when it is first used."""

    name: str
    maker: ModuleType

    @cached_property
    def module(self) -> nn.Module:
        """The trained network, in eval mode; another `load` gives another copy."""
        network: nn.Module = self.maker.load_network()
        return network

    @property
    def calibration(self) -> Data:
        """Images for calibration, never trained on.

        Raises:
            MissingExtraError: the package that holds the images is not installed.
        """
        data: Data = self.maker.load_splits().calibration
        return data

    @property
    def test(self) -> Data:
        """Images for testing, neither trained on nor in `calibration`.

        Raises:
            MissingExtraError: the package that holds the images is not installed.
        """
        data: Data = self.maker.load_splits().test
        return data


def zoo_names() -> tuple[str, ...]:
    """Names of all networks in the zoo; nothing is loaded."""
    return tuple(sorted(_MODULES))


def load(name: str) -> ZooEntry:
    """The network `name` of the zoo.

    Raises:
        ModelError: there is no such network (the near match is named).
        MissingExtraError: torch is not installed.
    """
    if name not in _MODULES:
        raise ModelError(f"unknown zoo network {name!r}{suggestion(name, zoo_names())}")
    require("torch", "torch")
    return ZooEntry(name, importlib.import_module(_MODULES[name]))

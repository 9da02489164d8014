"""Small pretrained networks that ship with the package, for trying and testing compression."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING

from qubo_dnn.errors import ModelError, suggestion
from qubo_dnn.support.extras import require

if TYPE_CHECKING:
    from torch import nn

    from qubo_dnn.compression.data.dataset import Data

PREFIX = "zoo:"
"""Prefix of the names of zoo networks, where other networks can be named too."""
_MODULES = {"mnist-cnn": "qubo_dnn.zoo.mnist_cnn"}


@dataclass(frozen=True)
class ZooEntry:
    """A pretrained network with its calibration and test data; each is loaded at its first use.

    Example:
        >>> entry = load("mnist-cnn")
        >>> sum(parameter.numel() for parameter in entry.module.parameters())
        122426
    """

    name: str
    maker: ModuleType

    @cached_property
    def module(self) -> nn.Module:
        """The trained network, in eval mode; every `load` returns a separate copy."""
        network: nn.Module = self.maker.load_network()
        return network

    @property
    def calibration(self) -> Data:
        """Images for calibration, not used in training.

        Raises:
            MissingExtraError: the package with the images is not installed.
        """
        data: Data = self.maker.load_splits().calibration
        return data

    @property
    def test(self) -> Data:
        """Images for testing, not used in training or calibration.

        Raises:
            MissingExtraError: the package with the images is not installed.
        """
        data: Data = self.maker.load_splits().test
        return data


def zoo_names() -> tuple[str, ...]:
    """Return the names of all networks in the zoo, without loading them.

    Example:
        >>> zoo_names()
        ('mnist-cnn',)
    """
    return tuple(sorted(_MODULES))


def load(name: str) -> ZooEntry:
    """Return the network `name` of the zoo.

    Raises:
        ModelError: the zoo has no such network; the message names a close match.
        MissingExtraError: torch is not installed.

    Example:
        >>> load("mnist-cnn").name
        'mnist-cnn'
        >>> load("mnist-cnm")
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.ModelError: unknown zoo network 'mnist-cnm'; did you mean 'mnist-cnn'?
    """
    if name not in _MODULES:
        raise ModelError(f"unknown zoo network {name!r}{suggestion(name, zoo_names())}")
    require("torch", "torch")
    return ZooEntry(name, importlib.import_module(_MODULES[name]))

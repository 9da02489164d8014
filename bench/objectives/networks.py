"""The networks of `bench.networks`, and the ResNet-20 of a folder."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from bench.networks.loading import accuracy
from bench.networks.loading import load as load_from
from bench.networks.shipped.network import Entry, ShippedNetwork
from bench.networks.shipped.roster import ENTRIES as SHIPPED
from qubo_dnn.errors import DataError

_CALIBRATION, _TEST = 1024, 2500


def load(seed: int, folder: Path | None) -> ShippedNetwork:
    """ResNet-20 and labelled images of CIFAR-10.

    Raises:
        DataError: there is no folder.
        QuboDnnError: it lacks a file, or one cannot be used.
    """
    if folder is None:
        raise DataError("resnet-20 needs its folder: --data DIR")
    module, calibration, test = load_from(folder)
    test = test.subset(_TEST, 0)

    def right(model: nn.Module) -> float:
        return accuracy(model, test)

    return ShippedNetwork(module, calibration.subset(_CALIBRATION, seed), test, right)


RESNET = Entry(
    name="resnet-20",
    packages=(),
    task="what is in a picture, of 10 classes",
    inputs=f"images of CIFAR-10, {_CALIBRATION} and {_TEST}",
    metric="classified right",
    granularity="channel",
    seeds=3,
    load=load,
    needs_folder=True,
)

_CHEAP = (SHIPPED["pnet"], SHIPPED["rnet"], RESNET)
ENTRIES: dict[str, Entry] = {entry.name: entry for entry in (*_CHEAP, *SHIPPED.values())}
"""From cheap to dear."""

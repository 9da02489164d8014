"""A small plain network in the manner of VGG: every convolution reads all channels that the one before it makes.

Nothing is added up, so every channel can leave by itself, and the multiply-accumulates of every layer are a product of
two numbers of channels that are both free.

Source: Simonyan & Zisserman 2015, "Very deep convolutional networks for large-scale image recognition", with the batch
normalization of Ioffe & Szegedy 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from torch import Tensor, nn

from bench.networks.loading import load
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.loading import load_network

WIDTHS = (32, 32, 64, 64, 128, 128)
TRAINING = 3072
"""Images to train on; the other calibration images of the folder are for compression."""
_SPLIT_SEED = 0
_COLOURS, _CLASSES = 3, 10


class Vgg(nn.Module):
    """Convolutions of 3 x 3 with batch normalization and ReLU, and a linear head.

    Max pooling is behind the first convolution and behind every second one from there on, as in the first layers of
    VGG-11: at full resolution, a convolution costs the most and sees the least.

    Args:
        widths: channels of the convolutions.

    Input: (N, 3, S, S) with S a multiple of 2 to the power of half the number of convolutions; output: logits (N, 10).

    Example:
        >>> import torch
        >>> Vgg((4, 4, 8, 8))(torch.zeros(5, 3, 32, 32)).shape
        torch.Size([5, 10])
    """

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for place, (inputs, outputs) in enumerate(pairwise((_COLOURS, *widths))):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
            if place % 2 == 0:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], _CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.head(self.features(x).mean((2, 3)))
        return logits


def vgg() -> Vgg:
    """Make the network of `WIDTHS`.

    Example:
        >>> sum(parameter.numel() for parameter in vgg().parameters())
        288586
    """
    return Vgg()


def load_images(folder: Path) -> tuple[nn.Module, Data, Data, Data]:
    """Return the teacher, and images to train on, to calibrate with and to test on, none of them in two of the three.

    Args:
        folder: see `bench.networks.loading.load`; its network is the teacher.

    Raises:
        QuboDnnError: a file is missing or cannot be used.
    """
    teacher, calibration, test = load(folder)
    return teacher, *calibration.split(TRAINING, _SPLIT_SEED), test


def load_vgg(folder: Path, weights: Path) -> tuple[nn.Module, Data, Data]:
    """Return the trained network, its calibration images and its test images.

    Args:
        folder: of the images, see `load_images`.
        weights: file that `bench.zoo.train_vgg` wrote.

    Raises:
        QuboDnnError: a file is missing or cannot be used.
    """
    _, _, calibration, test = load_images(folder)
    return load_network(f"{__name__}:vgg", weights), calibration, test

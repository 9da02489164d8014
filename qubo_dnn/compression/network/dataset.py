"""Images and targets for a network, from .npz files, torch datasets, data loaders or tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from qubo_dnn.compression.network.dataset_sources import (
    ImageSource,
    TensorSource,
    collect,
    from_factory,
    from_torch,
    read_images,
)
from qubo_dnn.errors import DataError, OptionError

BATCH_SIZE = 250


@dataclass(frozen=True, eq=False)
class Data:
    """Images with their targets; `uint8` images stay `uint8` in memory and become float32 batch by batch.

    Attributes:
        source: the source of images and targets.
        indices: indices of the images in the source, int64 (N,).
        mean: mean per channel, subtracted after scaling to [0, 1], float32 (C,), or None.
        std: standard deviation per channel, float32 (C,), or None.

    Example:
        >>> data = Data.from_tensors(torch.zeros(10, 1, 8, 8), torch.arange(10))
        >>> measured, held_out = data.split(8, seed=0)
        >>> len(measured), len(held_out), data.shape
        (8, 2, (1, 8, 8))
    """

    source: ImageSource
    indices: Tensor
    mean: Tensor | None = None
    std: Tensor | None = None

    @classmethod
    def of(cls, source: ImageSource, mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> Data:
        """Make data of all images of a source.

        Raises:
            DataError: the source is empty, or `mean` or `std` does not fit its channels.
        """
        if len(source) == 0:
            raise DataError(f"{source.name}: there are no images")
        data = cls(source, torch.arange(len(source)))
        if mean is None and std is None:
            return data
        channels = data.shape[0]
        means = [0.0] * channels if mean is None else mean
        stds = [1.0] * channels if std is None else std
        for name, values in (("mean", means), ("std", stds)):
            if len(values) != channels:
                raise DataError(f"{source.name}: {name} has {len(values)} values, the images have {channels} channels")
            if not np.isfinite(values).all():
                raise DataError(f"{source.name}: {name} is not finite")
        if min(stds) <= 0:
            raise DataError(f"{source.name}: std must be > 0, not {min(stds):g}")
        return replace(data, mean=torch.tensor(means).float(), std=torch.tensor(stds).float())

    @classmethod
    def from_tensors(
        cls,
        images: Tensor,
        targets: Tensor,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        name: str = "data",
    ) -> Data:
        """Make data from tensors in memory.

        Args:
            images: uint8 (scaled to [0, 1] later) or float32 of any shape (N, ...); channels come second.
            targets: labels, integers >= 0 (N, ...), or floating-point targets (N, ...) of a regression.
            mean: mean per channel, in the unit of the scaled images; None: 0.
            std: standard deviation per channel, > 0; None: 1.
            name: name of the data, for error messages.

        Raises:
            DataError: types, shapes or values differ from the above, or N is 0.
        """
        return cls.of(TensorSource(images, targets, name), mean, std)

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def name(self) -> str:
        """Name of the data in error messages: the file, the factory, or "data"."""
        return self.source.name

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch axis."""
        return tuple(self.source.fetch(self.indices[:1])[0].shape[1:])

    @cached_property
    def targets(self) -> Tensor:
        """All targets, int64 or float32 (N, ...); for a dataset factory, this reads every item once."""
        return torch.cat([self.source.fetch(part)[1] for part in torch.split(self.indices, BATCH_SIZE)])

    def batches(self, batch_size: int = BATCH_SIZE, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Generate batches in a fixed order: images float32 (B, ...), targets int64 or float32 (B, ...).

        Args:
            batch_size: B, images per batch, >= 1; the last batch may have fewer.
            start: number of images to skip at the beginning; they are not read.

        Raises:
            OptionError: `batch_size` is less than 1.
            DataError: an item of a dataset factory cannot be used.
        """
        if batch_size < 1:
            raise OptionError(f"batch size must be at least 1, not {batch_size}")
        for first in range(start, len(self), batch_size):
            images, targets = self.source.fetch(self.indices[first : first + batch_size])
            yield self._ready(images), targets

    def subset(self, size: int, seed: int) -> Data:
        """Draw `size` images without replacement; they keep their order and are held in memory for many passes.

        Raises:
            OptionError: `size` is not within 1 to the number of images.
        """
        if not 1 <= size <= len(self):
            raise OptionError(f"{self.name}: cannot draw {size} of {len(self)} images")
        chosen = self._take(_shuffled(len(self), seed)[:size])
        return replace(chosen, source=collect(chosen.source, chosen.indices), indices=torch.arange(size))

    def split(self, first: int, seed: int) -> tuple[Data, Data]:
        """Split the data at random into `first` images and the rest; both parts keep the order.

        Raises:
            OptionError: a part would be empty.
        """
        if not 1 <= first < len(self):
            raise OptionError(f"{self.name}: cannot split {len(self)} images into {first} and {len(self) - first}")
        order = _shuffled(len(self), seed)
        return self._take(order[:first]), self._take(order[first:])

    def _take(self, positions: Tensor) -> Data:
        return replace(self, indices=self.indices[positions.sort().values])

    def _ready(self, images: Tensor) -> Tensor:
        ready = images.float() / 255 if images.dtype == torch.uint8 else images
        if self.mean is None or self.std is None:
            return ready
        per_channel = (1, -1, *[1] * (images.dim() - 2))
        return (ready - self.mean.view(per_channel)) / self.std.view(per_channel)


def load_data(source: str, mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> Data:
    """Load data from a file or from the user's factory.

    Args:
        source: a path ending in `.npz`, with `x` (uint8 (N, H, W, C) or float32 (N, C, H, W)) and `y` (labels,
            integers (N, ...), or targets of a regression, float (N, ...)); or `package.module:factory`, a
            callable without arguments that returns a torch Dataset (read item by item when needed) or DataLoader
            (iterated once and held in memory) of float32 or uint8 images, channels first, and labels or float targets.
        mean: mean per channel, subtracted after uint8 images are scaled to [0, 1]; None: 0.
        std: standard deviation per channel, > 0; None: 1.

    Raises:
        DataError: the source cannot be read or used; the message names it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(Path(folder, "images.npz"), x=np.zeros((3, 8, 8, 1), np.uint8), y=[0, 1, 0])
        ...     load_data(f"{folder}/images.npz").shape  # channels come first
        (1, 8, 8)
    """
    if source.endswith(".npz"):
        return Data.of(read_images(Path(source)), mean, std)
    if ":" not in source:
        raise DataError(f"{source!r} is neither a .npz file nor package.module:factory")
    return Data.of(from_factory(source), mean, std)


def as_data(given: object, targets: object = None, name: str = "data") -> Data:
    """Make data from what a user has.

    Args:
        given: `Data`, a Dataset or DataLoader of (image, target) pairs, a tensor or array of images, or a text for
            `load_data`.
        targets: targets of a tensor or array of images.
        name: its name, for error messages.

    Raises:
        DataError: it is something else, targets are missing or superfluous, or an image or a target cannot be used.

    Example:
        >>> len(as_data(torch.zeros(5, 1, 8, 8), torch.arange(5)))
        5
    """
    if isinstance(given, Tensor | np.ndarray):
        if targets is None:
            raise DataError(f"{name}: images without targets; give them too, or a DataLoader or Dataset of pairs")
        return Data.from_tensors(torch.as_tensor(given), torch.as_tensor(targets), name=name)
    if targets is not None:
        raise DataError(f"{name}: targets are given for {type(given).__name__}, which holds its own")
    if isinstance(given, Data):
        return given
    return load_data(str(given)) if isinstance(given, str | Path) else Data.of(from_torch(given, name))


def _shuffled(n: int, seed: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))

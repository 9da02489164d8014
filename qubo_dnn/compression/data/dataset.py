"""Samples for a network, with or without targets, from .npz files, torch datasets, data loaders or tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from qubo_dnn.compression.data.data_loading import from_factory, from_tensors, from_torch, read_images
from qubo_dnn.compression.data.dataset_sources import IGNORED, Source, collect
from qubo_dnn.compression.data.inputs import Inputs, Interface, Key
from qubo_dnn.compression.data.samples import Values
from qubo_dnn.errors import DataError, OptionError

BATCH_SIZE = 64


@dataclass(frozen=True, eq=False)
class Data:
    """Samples, mostly images, with or without targets; `uint8` stays `uint8` in memory and is scaled batch by batch.

    Attributes:
        source: the source of inputs and targets.
        indices: indices of the samples in the source, int64 (N,).
        interface: how a network takes the inputs, and which of its outputs are compared.
        mean: mean per channel, subtracted from the images after scaling to [0, 1], float32 (C,), or None.
        std: standard deviation per channel, float32 (C,), or None.

    Example:
        >>> data = Data.from_tensors(torch.zeros(10, 1, 8, 8), torch.arange(10))
        >>> measured, held_out = data.split(8, seed=0)
        >>> len(measured), len(held_out), data.shape
        (8, 2, (1, 8, 8))
    """

    source: Source
    indices: Tensor
    interface: Interface = field(default_factory=Interface)
    mean: Tensor | None = None
    std: Tensor | None = None

    @classmethod
    def of(
        cls,
        source: Source,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        interface: Interface | None = None,
    ) -> Data:
        """Make data of all samples of a source.

        Raises:
            DataError: the source is empty, or `mean` or `std` does not fit its channels.
        """
        if len(source) == 0:
            raise DataError(f"{source.name}: there are no images")
        data = cls(source, torch.arange(len(source)), interface or Interface())
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
        images: object,
        targets: object = None,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        name: str = "data",
        interface: Interface | None = None,
    ) -> Data:
        """Make data from tensors or arrays in memory.

        Args:
            images: uint8 (scaled to [0, 1] later) or any other type, of any shape (N, ...); channels come second. A
                tuple holds several positional inputs, a dict named ones.
            targets: labels, integers >= 0 (N, ...), or floating-point targets (N, ...) of a regression; None: none.
            mean: mean per channel of the first image, in the unit of the scaled images; None: 0.
            std: standard deviation per channel, > 0; None: 1.
            name: name of the data, for error messages.
            interface: how a network takes the inputs; None: samples come first, and there is one output.

        Raises:
            DataError: types, shapes or values differ from the above, or N is 0.
        """
        interface = interface or Interface()
        return cls.of(from_tensors(images, targets, name, interface), mean, std, interface)

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def name(self) -> str:
        """Name of the data in error messages: the file, the factory, or "data"."""
        return self.source.name

    @cached_property
    def _first(self) -> Values:
        return self.source.fetch(self.indices[:1])[0]

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image, without the batch axis."""
        return tuple(self._first[self._image].shape[1:])

    @property
    def _image(self) -> Key:
        """The input that mean and standard deviation are for: the first one of uint8, or of floating-point numbers."""
        pixels = [key for key, value in self._first.items() if value.dtype == torch.uint8]
        floats = [key for key, value in self._first.items() if value.is_floating_point()]
        return next(iter([*pixels, *floats, *self._first]))

    @property
    def described(self) -> str:
        """Inputs and shapes of one sample in words, such as "images of (3, 32, 32)"."""
        return Inputs(self._first, self.interface).described()

    @property
    def has_targets(self) -> bool:
        """True if there are targets."""
        return self.source.has_targets

    @cached_property
    def targets(self) -> Tensor | None:
        """All targets, int64 or float32 (N, ...), or None; for a dataset, this reads every item once."""
        if not self.has_targets:
            return None
        parts = [targets for _, targets in self.batches() if targets is not None]
        return torch.cat(parts)

    def batches(self, batch_size: int = BATCH_SIZE, start: int = 0) -> Iterator[tuple[Inputs, Tensor | None]]:
        """Generate batches in a fixed order: inputs, and targets int64 or float32 (B, ...), or None.

        Labels of padding, see `Interface.mask`, are -100.

        Args:
            batch_size: B, samples per batch, >= 1; the last batch may have fewer.
            start: number of samples to skip at the beginning; they are not read.

        Raises:
            OptionError: `batch_size` is less than 1.
            DataError: an item of a dataset cannot be used.
        """
        if batch_size < 1:
            raise OptionError(f"batch size must be at least 1, not {batch_size}")
        for first in range(start, len(self), batch_size):
            values, targets = self.source.fetch(self.indices[first : first + batch_size])
            inputs = Inputs({key: self._ready(key, value) for key, value in values.items()}, self.interface)
            yield inputs, _masked(targets, inputs.mask)

    def subset(self, size: int, seed: int) -> Data:
        """Draw `size` samples without replacement; they keep their order and are held in memory for many passes.

        Raises:
            OptionError: `size` is not within 1 to the number of samples.
        """
        if not 1 <= size <= len(self):
            raise OptionError(f"{self.name}: cannot draw {size} of {len(self)} images")
        chosen = self._take(_shuffled(len(self), seed)[:size])
        return replace(chosen, source=collect(chosen.source, chosen.indices), indices=torch.arange(size))

    def split(self, first: int, seed: int) -> tuple[Data, Data]:
        """Split the data at random into `first` samples and the rest; both parts keep the order.

        Raises:
            OptionError: a part would be empty.
        """
        if not 1 <= first < len(self):
            raise OptionError(f"{self.name}: cannot split {len(self)} images into {first} and {len(self) - first}")
        order = _shuffled(len(self), seed)
        return self._take(order[:first]), self._take(order[first:])

    def with_interface(self, interface: Interface) -> Data:
        """Return the same samples for a network with another interface.

        Raises:
            DataError: the mask, or an input with an axis of its own, is not among the inputs.
        """
        known = [str(key) for key in self._first]
        axes = interface.batch_axis if not isinstance(interface.batch_axis, int) else {}
        for name in (*axes, *([] if interface.mask is None else [interface.mask])):
            if name not in known:
                raise DataError(f"{self.name}: there is no input {name!r}, only {', '.join(known)}")
        return replace(self, interface=interface)

    def _take(self, positions: Tensor) -> Data:
        return replace(self, indices=self.indices[positions.sort().values])

    def _ready(self, key: Key, value: Tensor) -> Tensor:
        ready = value.float() / 255 if value.dtype == torch.uint8 else value
        if self.mean is None or self.std is None or key != self._image:
            return ready
        per_channel = (1, -1, *[1] * (value.dim() - 2))
        return (ready - self.mean.view(per_channel)) / self.std.view(per_channel)


def load_data(
    source: str,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    interface: Interface | None = None,
) -> Data:
    """Load data from a file or from the user's factory.

    Args:
        source: a path ending in `.npz`, see `qubo_dnn.compression.data.data_loading.read_images`; or
            `package.module:factory`, a callable without arguments that returns tensors, a dataset (read item by item
            when needed), or a DataLoader or another iterable of batches (read once and held in memory), see
            `qubo_dnn.compression.data.data_loading.from_torch`.
        mean: mean per channel, subtracted after uint8 images are scaled to [0, 1]; None: 0.
        std: standard deviation per channel, > 0; None: 1.
        interface: how a network takes the inputs.

    Raises:
        DataError: the source cannot be read or used; the message names it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(Path(folder, "images.npz"), x=np.zeros((3, 8, 8, 1), np.uint8), y=[0, 1, 0])
        ...     load_data(f"{folder}/images.npz").shape  # channels come first
        (1, 8, 8)
    """
    interface = interface or Interface()
    if source.endswith(".npz"):
        return Data.of(read_images(Path(source), interface), mean, std, interface)
    if ":" not in source:
        raise DataError(f"{source!r} is neither a .npz file nor package.module:factory")
    return Data.of(from_factory(source, interface), mean, std, interface)


def as_data(given: object, targets: object = None, name: str = "data", interface: Interface | None = None) -> Data:
    """Make data from what a user has.

    Args:
        given: `Data`, a text for `load_data`, or anything that `qubo_dnn.compression.data.data_loading.from_torch`
            takes: tensors or arrays, a dataset, a loader, another iterable of batches.
        targets: targets of tensors or arrays.
        name: its name, for error messages.
        interface: how a network takes the inputs; None: that of `Data`, or samples come first.

    Raises:
        DataError: it is something else, targets are superfluous, or a sample cannot be used.

    Example:
        >>> len(as_data(torch.zeros(5, 1, 8, 8), torch.arange(5)))
        5
    """
    if isinstance(given, Tensor | np.ndarray | tuple | dict):
        return Data.from_tensors(given, targets, name=name, interface=interface)
    if targets is not None:
        raise DataError(f"{name}: targets are given for {type(given).__name__}, which holds its own")
    if isinstance(given, Data):
        return given if interface is None else given.with_interface(interface)
    if isinstance(given, str | Path):
        return load_data(str(given), interface=interface)
    interface = interface or Interface()
    return Data.of(from_torch(given, name, interface), interface=interface)


def _masked(targets: Tensor | None, mask: Tensor | None) -> Tensor | None:
    """Return the targets with the label of padding where the mask is False, if they are labels of its positions."""
    if targets is None or mask is None or targets.is_floating_point() or targets.shape != mask.shape:
        return targets
    return targets.masked_fill(~mask, IGNORED)


def _shuffled(n: int, seed: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))

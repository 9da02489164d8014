"""Sources of images and targets: tensors in memory, .npz files, or a torch dataset read item by item."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from qubo_dnn.compression.network.user_code import foreign_code, reason, resolve
from qubo_dnn.errors import DataError


class ImageSource(Protocol):
    """Access to images and targets by index; `name` appears in error messages.

    Example:
        >>> images, targets = TensorSource(torch.zeros(5, 1, 8, 8), torch.arange(5), "data").fetch(torch.tensor([3, 1]))
        >>> targets.tolist()
        [3, 1]
    """

    @property
    def name(self) -> str: ...

    def __len__(self) -> int: ...

    def fetch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return images, uint8 or float32 (B, ...), and targets, int64 or float32 (B, ...), at int64 indices (B,)."""
        ...


@dataclass(frozen=True, eq=False)
class TensorSource:
    """Images and targets held in memory: labels as int64, other targets as float32.

    Raises:
        DataError: images are not uint8 or finite float32 (N, ...), targets are neither integers >= 0 nor finite
            floating-point numbers (N, ...), or N is 0.

    Example:
        >>> source = TensorSource(torch.zeros(5, 1, 8, 8), torch.arange(5), "data")
        >>> len(source), source.targets.dtype
        (5, torch.int64)
    """

    images: Tensor
    targets: Tensor
    name: str

    def __post_init__(self) -> None:
        images, targets = self.images, self.targets
        if images.dtype not in (torch.uint8, torch.float32):
            raise DataError(f"{self.name}: images are {images.dtype}, not uint8 or float32")
        if images.dim() < 2:
            raise DataError(
                f"{self.name}: images of shape {tuple(images.shape)} have no axis other than the batch axis"
            )
        if targets.dtype == torch.bool or targets.is_complex() or targets.dim() == 0:
            raise DataError(
                f"{self.name}: targets are {targets.dtype} of shape {tuple(targets.shape)}, not labels (integers) "
                "or floating-point numbers of shape (N, ...)"
            )
        if len(images) != len(targets):
            raise DataError(f"{self.name}: {len(images)} images but {len(targets)} targets")
        if len(images) == 0:
            raise DataError(f"{self.name}: there are no images")
        labels = not targets.is_floating_point()
        object.__setattr__(self, "targets", targets.long() if labels else targets.float())
        for what, values in (("image", images), ("target", self.targets)):
            if values.is_floating_point() and not values.isfinite().all():
                bad = int(values.isfinite().reshape(len(values), -1).all(dim=1).int().argmin())
                raise DataError(f"{self.name}: {what} {bad} holds NaN or infinity")
        if labels and int(self.targets.min()) < 0:
            raise DataError(f"{self.name}: label {int(self.targets.min())} is negative")

    def __len__(self) -> int:
        return len(self.images)

    def fetch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """See `ImageSource.fetch`."""
        return self.images[indices], self.targets[indices]


@dataclass(frozen=True, eq=False)
class DatasetSource:
    """A torch dataset with a length; its items are read one by one, each time images are requested.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> source = DatasetSource(TensorDataset(torch.zeros(5, 1, 8, 8), torch.arange(5)), "data")
        >>> images, targets = source.fetch(torch.tensor([3, 1]))
        >>> targets.tolist()
        [3, 1]
    """

    dataset: Dataset[Any]
    name: str

    def __len__(self) -> int:
        return len(cast(Any, self.dataset))

    def fetch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """See `ImageSource.fetch`.

        Raises:
            DataError: an item fails, is not an (image tensor, target) pair, or does not meet the conditions of
                `TensorSource`.
        """
        items = [self._item(index) for index in indices.tolist()]
        batch = _joined(torch.stack, items, f"{self.name}: batch from item {int(indices[0])} on")
        return batch.images, batch.targets

    def _item(self, index: int) -> tuple[Tensor, Tensor]:
        what = f"{self.name}: item {index}"
        with foreign_code(DataError, what):
            return _pair(self.dataset[index], what)


def read_images(path: Path) -> TensorSource:
    """Read a .npz file with `x` (uint8 (N, H, W, C) or float32 (N, C, H, W)) and `y` (integers or floats (N, ...)).

    Raises:
        DataError: the file is missing or damaged, or its arrays differ from the above; the message names the file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "images.npz")
        ...     np.savez(path, x=np.zeros((3, 8, 8, 1), np.uint8), y=[0, 1, 0])
        ...     read_images(path).images.shape
        torch.Size([3, 1, 8, 8])
    """
    try:
        arrays = np.load(path, allow_pickle=False)
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise DataError(f"{path}: is a single array, not a .npz file")
        with arrays:
            missing = [name for name in ("x", "y") if name not in arrays]
            if missing:
                raise DataError(f"{path}: holds no array {missing[0]!r}, only {', '.join(arrays.files) or 'nothing'}")
            x, y = arrays["x"], arrays["y"]
    except FileNotFoundError as cause:
        raise DataError(f"{path}: no such file") from cause
    except DataError:
        raise
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as cause:
        raise DataError(f"{path}: cannot be read as .npz ({reason(cause)})") from cause
    if x.dtype not in (np.uint8, np.float32) or x.ndim != 4:
        raise DataError(f"{path}: x is {x.dtype} of shape {x.shape}, not uint8 (N, H, W, C) or float32 (N, C, H, W)")
    if y.dtype.kind not in "iuf" or y.ndim == 0:
        raise DataError(f"{path}: y is {y.dtype} of shape {y.shape}, not integers or floats of shape (N, ...)")
    images = torch.from_numpy(x)
    if x.dtype == np.uint8:
        images = images.permute(0, 3, 1, 2).contiguous()
    targets = y.astype(np.float32 if y.dtype.kind == "f" else np.int64)
    return TensorSource(images, torch.from_numpy(targets), str(path))


def from_factory(spec: str) -> ImageSource:
    """Call the user's `package.module:factory`; a Dataset is read on demand, a DataLoader at once.

    Raises:
        DataError: the factory is missing, fails, or returns something else.

    Example:
        >>> from_factory("torch:no_such_factory")
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.DataError: module 'torch' has no 'no_such_factory'
    """
    given = resolve(spec, DataError)
    if callable(given) and not isinstance(given, Dataset | DataLoader):
        with foreign_code(DataError, f"{spec}: the factory fails"):
            given = given()
    return from_torch(given, spec)


def from_torch(given: object, name: str) -> ImageSource:
    """Make a source of a Dataset, which is read on demand, or of a DataLoader, which is read at once.

    Args:
        given: dataset or loader of (image, target) pairs.
        name: its name, for error messages.

    Raises:
        DataError: it is something else, or an item is not an (image tensor, target) pair.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> len(from_torch(TensorDataset(torch.zeros(5, 1, 8, 8), torch.arange(5)), "data"))
        5
    """
    if isinstance(given, DataLoader):
        return _joined(torch.cat, list(_batches(given, name)), name)
    if isinstance(given, Dataset) and hasattr(given, "__len__"):
        return DatasetSource(given, name)
    raise DataError(f"{name}: gives {type(given).__name__}, not a torch DataLoader or a Dataset with a length")


def _batches(loader: DataLoader[Any], name: str) -> Iterator[tuple[Tensor, Tensor]]:
    with foreign_code(DataError, f"{name}: the loader fails"):
        for index, batch in enumerate(loader):
            yield _pair(batch, f"{name}: batch {index}")


def collect(source: ImageSource, indices: Tensor) -> TensorSource:
    """Read the images and targets at `indices`, int64 (N,), into memory.

    Example:
        >>> source = TensorSource(torch.zeros(5, 1, 8, 8), torch.arange(5), "data")
        >>> collect(source, torch.tensor([3, 1])).targets.tolist()
        [3, 1]
    """
    return TensorSource(*source.fetch(indices), source.name)


def _pair(item: object, what: str) -> tuple[Tensor, Tensor]:
    """Return images and targets of one item or batch; only their types are checked."""
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise DataError(f"{what} is {type(item).__name__}, not an (image, target) pair")
    image, target = item
    if not isinstance(image, Tensor):
        raise DataError(f"{what}: the image is {type(image).__name__}, not a tensor")
    try:
        return image, torch.as_tensor(target)
    except (TypeError, ValueError, RuntimeError) as cause:
        raise DataError(f"{what}: the target is {type(target).__name__}, not a number or tensor") from cause


def _joined(join: Callable[[list[Tensor]], Tensor], pairs: list[tuple[Tensor, Tensor]], name: str) -> TensorSource:
    if not pairs:
        raise DataError(f"{name}: there are no images")
    try:
        images, targets = join([image for image, _ in pairs]), join([target for _, target in pairs])
    except RuntimeError as cause:
        raise DataError(f"{name}: images or targets of unlike shapes ({reason(cause)})") from cause
    return TensorSource(images, targets, name)

"""Read samples from tensors, .npz files, torch datasets, loaders and iterables of batches."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sized
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from qubo_dnn.compression.data.dataset_sources import DatasetSource, Source, TensorSource, joined
from qubo_dnn.compression.data.inputs import Interface, Key
from qubo_dnn.compression.data.samples import TARGETS, Sample, Values, as_tensor, sample
from qubo_dnn.compression.user_code import foreign_code, reason, resolve
from qubo_dnn.errors import DataError

_FILE_TARGETS = ("y", *TARGETS)
_FIRST = Interface()


def from_tensors(given: object, targets: object, name: str, interface: Interface = _FIRST) -> TensorSource:
    """Make a source of tensors or arrays with all samples.

    Args:
        given: one tensor or array, a tuple of them (positional inputs), or a dict (named inputs).
        targets: all targets, or None.
        name: name of the data, for error messages.
        interface: states the axis of the samples in the inputs.

    Raises:
        DataError: see `TensorSource`.

    Example:
        >>> source = from_tensors((torch.zeros(5, 3), np.zeros((5, 2))), None, "data")
        >>> len(source), list(source.values)
        (5, [0, 1])
    """
    values, own = sample((given, None), name)
    if targets is not None and own is not None:
        raise DataError(f"{name}: targets are given, and the inputs hold `labels` too")
    labels = own if targets is None else as_tensor(targets, f"{name}: the target", "numbers or a tensor")
    return TensorSource(_samples_first(values, interface), labels, name)


def _samples_first(values: Values, interface: Interface) -> Values:
    return {key: value.movedim(interface.axis_of(key, value.dim()), 0) for key, value in values.items()}


def read_images(path: Path, interface: Interface = _FIRST) -> TensorSource:
    """Read a .npz file: `x` is the only input, `arr_0`, `arr_1`, ... are positional, other names are named inputs.

    `y` or `labels` are the targets, if there are any. uint8 images (N, H, W, C) get their channels first.

    Raises:
        DataError: the file is missing or damaged, or its arrays cannot be used; the message names the file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "images.npz")
        ...     np.savez(path, x=np.zeros((3, 8, 8, 1), np.uint8), y=[0, 1, 0])
        ...     read_images(path).values[0].shape
        torch.Size([3, 1, 8, 8])
    """
    try:
        arrays = np.load(path, allow_pickle=False)
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise DataError(f"{path}: is a single array, not a .npz file")
        with arrays:
            content = {name: arrays[name] for name in arrays.files}
    except FileNotFoundError as cause:
        raise DataError(f"{path}: no such file") from cause
    except DataError:
        raise
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as cause:
        raise DataError(f"{path}: cannot be read as .npz ({reason(cause)})") from cause
    given = [name for name in _FILE_TARGETS if name in content]
    if len(given) > 1:
        raise DataError(f"{path}: holds both {given[0]!r} and {given[1]!r}, and both are names of targets")
    targets = content.pop(given[0]) if given else None
    if targets is not None and targets.dtype.kind not in "iufb":
        raise DataError(f"{path}: {given[0]} is {targets.dtype} of shape {targets.shape}, not integers or floats")
    if not content:
        raise DataError(f"{path}: holds no input, only {', '.join(given) or 'nothing'}")
    values = {_key(name, content): _array(array, f"{path}: {name}") for name, array in content.items()}
    labels = None if targets is None else as_tensor(targets, f"{path}: {given[0]}")
    return TensorSource(_samples_first(values, interface), labels, str(path))


def _key(name: str, content: Mapping[str, object]) -> Key:
    if name == "x" and len(content) == 1:
        return 0
    number = name.removeprefix("arr_")
    return int(number) if name.startswith("arr_") and number.isdecimal() else name


def _array(array: Any, what: str) -> Tensor:
    if array.dtype.kind not in "iufbc":
        raise DataError(f"{what} is {array.dtype} of shape {array.shape}, not numbers of shape (N, ...)")
    tensor = as_tensor(array, what)
    return tensor.permute(0, 3, 1, 2).contiguous() if array.dtype == np.uint8 and array.ndim == 4 else tensor


def from_factory(spec: str, interface: Interface = _FIRST) -> Source:
    """Call the user's `package.module:factory`, and use its result as `from_torch` does.

    Raises:
        DataError: the factory is missing, fails, or returns something else.

    Example:
        >>> from_factory("torch:no_such_factory")
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.DataError: module 'torch' has no 'no_such_factory'
    """
    given = resolve(spec, DataError)
    holds_samples = hasattr(given, "__getitem__") or isinstance(given, Iterable)
    if isinstance(given, type) or (callable(given) and not holds_samples):
        with foreign_code(DataError, f"{spec}: the factory fails"):
            given = given()
    return from_torch(given, spec, interface)


def from_torch(given: object, name: str, interface: Interface = _FIRST) -> Source:
    """Make a source of tensors, of a dataset, which is read on demand, or of batches, which are read at once.

    Args:
        given: a tensor or array, a tuple of them (positional inputs) or a dict (named inputs) with all samples; a
            dataset (anything with a length and items by number) of inputs or (inputs, target); or a DataLoader, a list
            or another iterable of batches of the same kind. Items of an iterable dataset are single samples.
        name: its name, for error messages.
        interface: states the axis of the samples in batches; items of a dataset have no such axis.

    Raises:
        DataError: it is something else, or an item cannot be used, see `sample`.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> len(from_torch(TensorDataset(torch.zeros(5, 1, 8, 8), torch.arange(5)), "data"))
        5
    """
    if isinstance(given, Tensor | np.ndarray | tuple | Mapping):
        return from_tensors(given, None, name, interface)
    if isinstance(given, IterableDataset):
        return joined(torch.stack, list(_items(given, name, "item")), name)
    if hasattr(given, "__getitem__") and isinstance(given, Sized) and not isinstance(given, list | str | bytes):
        return DatasetSource(given, name)
    if isinstance(given, Iterable) and not isinstance(given, str | bytes):
        batches = [(_samples_first(values, interface), target) for values, target in _items(given, name, "batch")]
        return joined(torch.cat, batches, name)
    raise DataError(
        f"{name}: gives {type(given).__name__}, not tensors, a Dataset with a length, or a DataLoader or another "
        "iterable of batches"
    )


def _items(given: Iterable[Any], name: str, word: str) -> Iterator[Sample]:
    with foreign_code(DataError, f"{name}: the loader fails"):
        for index, item in enumerate(given):
            yield sample(item, f"{name}: {word} {index}")

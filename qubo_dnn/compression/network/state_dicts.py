"""Load weights of the user into a module of the user."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from qubo_dnn.compression.user_code import foreign_code
from qubo_dnn.errors import FileFormatError, ModelError
from qubo_dnn.files.common.text import exists

_NAMED = 3  # keys spelled out in a message
_HOW = "write it with torch.save(model.state_dict(), path)"
_CHECKPOINT_KEYS = ("state_dict", "model_state_dict", "model")


def load_weights_(model: nn.Module, path: Path) -> None:
    """Load weights into `model`, in place; if they do not fit, the model is unchanged.

    Args:
        model: the module, on any device; values are converted to its dtypes.
        path: a .safetensors file, or a file of `torch.save`: a state_dict, or a checkpoint that contains one under
            "state_dict", "model_state_dict" or "model". Only tensors are unpickled. A prefix "module." of all keys
            (DataParallel) is removed.

    Raises:
        FileFormatError: the file cannot be read.
        ModelError: keys or shapes differ from the model's, or a weight is not finite.

    Example:
        >>> import tempfile
        >>> network = nn.Linear(3, 2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save({"weight": torch.ones(2, 3), "bias": torch.zeros(2)}, Path(folder, "weights.pt"))
        ...     load_weights_(network, Path(folder, "weights.pt"))
        >>> network.weight.sum().item()
        6.0
    """
    state = _read(path)
    if state and all(key.startswith("module.") for key in state) and "module" not in dict(model.named_children()):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    check_shapes(model, {key: value.shape for key, value in state.items()}, str(path))
    for key, value in state.items():
        if not torch.isfinite(value).all():
            raise ModelError(f"{path}: {key!r} is not finite (NaN or infinite)")
    load_state_(model, state)


def check_shapes(model: nn.Module, shapes: Mapping[str, Sequence[int]], source: str) -> None:
    """Refuse tensors whose keys or shapes differ from those of the model.

    Raises:
        ModelError: keys are missing or unexpected, or shapes differ; the message begins with `source`.

    Example:
        >>> check_shapes(nn.Linear(3, 2), {"weight": (2, 3), "bias": (2,)}, "weights.pt")
        >>> check_shapes(nn.Linear(3, 2), {"weight": (2, 4), "bias": (2,)}, "weights.pt")
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.ModelError: weights.pt: 1 shapes differ: weight is (2, 4), the model has (2, 3)
    """
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items() if isinstance(value, Tensor)}
    # torch sets this counter if an old checkpoint lacks it.
    missing = [key for key in expected if key not in shapes and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in shapes if key not in expected]
    faults = []
    if missing:
        faults.append(f"{len(missing)} missing ({_some(missing)})")
    if unexpected:
        faults.append(f"{len(unexpected)} unexpected ({_some(unexpected)})")
    if faults:
        raise ModelError(f"{source}: the keys are not the model's: {', '.join(faults)}")
    differing = [
        f"{key} is {tuple(shape)}, the model has {expected[key]}"
        for key, shape in shapes.items()
        if tuple(shape) != expected[key]
    ]
    if differing:
        raise ModelError(f"{source}: {len(differing)} shapes differ: {_some(differing, '; ')}")


def load_state_(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy tensors into `model`, in place, after `check_shapes` accepted them.

    Example:
        >>> network = nn.Linear(3, 2)
        >>> load_state_(network, {"weight": torch.ones(2, 3), "bias": torch.zeros(2)})
        >>> network.weight.sum().item()
        6.0
    """
    # strict=False, because check_shapes allows a missing counter, and because some state is not a tensor.
    model.load_state_dict(dict(state), strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    if not (exists(path) and path.is_file()):
        raise FileFormatError(f"{path}: no such file")
    if path.suffix == ".safetensors":
        with foreign_code(FileFormatError, f"{path}: cannot be read as safetensors"):
            return load_file(path)
    _check_archive(path)
    with foreign_code(FileFormatError, f"{path}: cannot be read by torch.load"):
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as cause:
            raise FileFormatError(f"{path}: is damaged or holds more than tensors; {_HOW}") from cause
    return _state_of(content, path)


def _check_archive(path: Path) -> None:
    """Refuse archives of torch without a state_dict in one line; the messages of torch.load fill a page."""
    with foreign_code(FileFormatError, f"{path}: cannot be read"):
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()}
    if "constants.pkl" in names or "data.pkl" not in names:
        kind = "TorchScript" if "constants.pkl" in names else "an archive of another kind, as torch.export writes"
        raise FileFormatError(f"{path}: is {kind}, not a state_dict; {_HOW}")


def _state_of(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the state_dict in the result of `torch.load`."""
    if isinstance(content, Mapping):
        content = next((content[k] for k in _CHECKPOINT_KEYS if isinstance(content.get(k), Mapping)), content)
    if not isinstance(content, Mapping):
        raise FileFormatError(f"{path}: holds {type(content).__name__}, not a state_dict")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise FileFormatError(f"{path}: not a state_dict: its entry {key!r} is {type(value).__name__}")
    return dict(content)


def _some(items: Iterable[str], separator: str = ", ") -> str:
    """List the first few items and the number of the others."""
    every = list(items)
    more = len(every) - _NAMED
    return separator.join(every[:_NAMED]) + (f" and {more} more" if more > 0 else "")

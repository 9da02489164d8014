"""Split what loaders and datasets give into inputs and targets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from qubo_dnn.compression.data.inputs import Key
from qubo_dnn.errors import DataError

Values = Mapping[Key, Tensor]
Sample = tuple[Values, Tensor | None]

TARGETS = ("labels", "label")
"""Names of targets among named inputs, as Hugging Face has them."""


def sample(item: object, what: str) -> Sample:
    """Split one item or batch into inputs and targets; only its types are checked.

    Args:
        item: inputs, or (inputs, target). Inputs are one tensor or array, a tuple of them (positional), or a dict
            (named), whose `labels` or `label` is the target.
        what: the item, for error messages.

    Raises:
        DataError: it is something else.

    Example:
        >>> values, target = sample({"ids": [3, 1, 2], "labels": 1}, "item 0")
        >>> values["ids"].tolist(), int(target)
        ([3, 1, 2], 1)
    """
    target: object = None
    values: dict[Key, Tensor]
    if isinstance(item, tuple | list) and len(item) in (1, 2) and not _numbers(item):
        item, target = item if len(item) == 2 else (item[0], None)
    elif isinstance(item, tuple | list) and not _numbers(item):
        raise DataError(
            f"{what} is {type(item).__name__} of {len(item)} things, neither inputs nor (inputs, target); several "
            "inputs are a tuple or a dict of their own: ((a, b), target)"
        )
    if isinstance(item, Mapping):
        named = {name: value for name, value in item.items() if value is not None}
        for name in TARGETS:
            if name in named and target is None:
                target = named.pop(name)
        values = {_name(name, what): as_tensor(value, f"{what}: the input {name}") for name, value in named.items()}
    elif isinstance(item, tuple | list) and not _numbers(item):
        values = {place: as_tensor(value, f"{what}: the input {place}") for place, value in enumerate(item)}
    else:
        values = {0: as_tensor(item, f"{what}: the image")}
    return values, None if target is None else as_tensor(target, f"{what}: the target", "a number or tensor")


def _numbers(item: object) -> bool:
    """Return whether a sequence is a row of numbers, as token ids without a tensor type are."""
    return isinstance(item, list) and all(isinstance(each, int | float) for each in item)


def _name(name: object, what: str) -> str:
    if not isinstance(name, str):
        raise DataError(f"{what}: the name {name!r} of an input is {type(name).__name__}, not text")
    return name


def as_tensor(value: object, what: str, wanted: str = "a tensor, an array or numbers") -> Tensor:
    """Return a tensor of a tensor, an array, a number or a list of numbers.

    Raises:
        DataError: it is none of these; the message begins with `what`.

    Example:
        >>> as_tensor([3, 1], "item 0").tolist()
        [3, 1]
    """
    if isinstance(value, Tensor):
        return value
    try:
        # torch refuses arrays with negative strides, or of the other byte order.
        if isinstance(value, np.ndarray):
            return torch.from_numpy(np.array(value, value.dtype.newbyteorder("=")))
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as cause:
        raise DataError(f"{what} is {type(value).__name__}, not {wanted}") from cause

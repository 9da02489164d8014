"""Check and convert arrays of the user: finite entries, the right shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.errors import FormulationError

Vector = Sequence[float] | NDArray[Any]
Matrix = Sequence[Sequence[float]] | NDArray[Any]


def as_array(data: Vector | Matrix, what: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """Return a checked float64 copy of an array.

    Args:
        data: the user's array.
        what: name of the array, for messages.
        shape: the required shape; None allows any size from 1.

    Raises:
        FormulationError: it is not an array of finite numbers, or has another shape.
    """
    try:
        array = np.array(data, dtype=np.float64)
    except (TypeError, ValueError) as cause:
        raise FormulationError(f"{what} is not an array of numbers") from cause
    fits = len(shape) == array.ndim and all(size in (None, have) for size, have in zip(shape, array.shape, strict=True))
    if not fits or 0 in array.shape:
        expected = " x ".join("n" if size is None else str(size) for size in shape)
        raise FormulationError(f"{what} has the shape {array.shape}, not {expected}")
    if not np.isfinite(array).all():
        raise FormulationError(f"{what} has an entry that is not a finite number")
    return array


def as_square(data: Matrix, what: str) -> NDArray[np.float64]:
    """Return a checked float64 copy of a matrix [n, n]; errors as in `as_array`."""
    array = as_array(data, what, (None, None))
    return as_array(array, what, (len(array), len(array)))

"""Integer weights and capacities as users have them, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.errors import FormulationError
from qubo_formulations._arrays import Vector, as_array

# Beyond this, sums in double precision are not exact.
_LARGEST = 2.0**53


def as_weights(data: Vector, count: int | None, what: str) -> NDArray[np.float64]:
    """[count] integers >= 0, as float64; any number of them where `count` is None.

    Raises:
        FormulationError: they are of another number, no integers, negative, or add up to more than 2^53.
    """
    weights = as_array(data, what, (count,))
    if (weights != np.floor(weights)).any() or weights.min() < 0.0 or weights.sum() > _LARGEST:
        raise FormulationError(f"{what} are not integers >= 0 of at most 2^53 in all")
    return weights


def check_capacity(capacity: Any) -> int:
    """`capacity` as an int.

    Raises:
        FormulationError: it is not an integer >= 0.
    """
    if isinstance(capacity, bool) or not isinstance(capacity, int | np.integer) or not 0 <= capacity <= _LARGEST:
        raise FormulationError(f"the capacity is {capacity!r}, not an integer >= 0")
    return int(capacity)

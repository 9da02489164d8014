"""Check and convert integer weights and capacities of the user."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.errors import FormulationError
from qubo_formulations._shared.arrays import Vector, as_array

# Beyond this, sums in double precision are not exact.
_LARGEST = 2.0**53


def as_weights(data: Vector, count: int | None, what: str) -> NDArray[np.float64]:
    """Return [count] checked integers >= 0 as float64; any number of them if `count` is None.

    Raises:
        FormulationError: their number is wrong, one is not an integer or is negative, or they sum to more than 2^53.
    """
    weights = as_array(data, what, (count,))
    if (weights != np.floor(weights)).any() or weights.min() < 0.0 or weights.sum() > _LARGEST:
        raise FormulationError(f"{what} are not integers >= 0 of at most 2^53 in all")
    return weights


def check_capacity(capacity: Any) -> int:
    """Return `capacity` as an int.

    Raises:
        FormulationError: it is not an integer >= 0.
    """
    if isinstance(capacity, bool) or not isinstance(capacity, int | np.integer) or not 0 <= capacity <= _LARGEST:
        raise FormulationError(f"the capacity is {capacity!r}, not an integer >= 0")
    return int(capacity)

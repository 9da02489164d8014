"""The best state that a search has passed, in compiled code."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from qubo_backends._shared.jit import inner


@inner
def copy(source: NDArray[Any], target: NDArray[Any]) -> None:
    """Copy one array of numbers [n] into another."""
    for k in range(source.size):
        target[k] = source[k]


@inner
def keep_lower(choices: NDArray[Any], energy: float, best: NDArray[Any], lowest: float, least: float) -> bool:
    """Copy a state into `best` if its energy is below the lowest one so far, by more than `least`.

    Returns:
        Whether it is.
    """
    lower = energy < lowest - least
    if lower:
        copy(choices, best)
    return lower

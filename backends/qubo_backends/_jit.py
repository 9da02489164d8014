"""Numba's compiler with the settings all kernels share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile on the first call, keep the machine code on disk, and let other threads run meanwhile."""
    result: F = njit(cache=True, nogil=True)(function)
    return result


def compiled_reassociating(function: F) -> F:
    """The same for sums and maxima of numbers that are none of them NaN: they may be taken in any order."""
    result: F = njit(cache=True, nogil=True, fastmath={"nnan", "nsz", "reassoc"})(function)
    return result

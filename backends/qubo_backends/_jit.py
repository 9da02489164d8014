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

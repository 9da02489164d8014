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


def inner(function: F) -> F:
    """The same for what only compiled code calls: without the wrappers for Python, which take as long to compile."""
    result: F = njit(cache=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False)(function)
    return result

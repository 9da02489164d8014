"""Numba's compiler with the settings all kernels share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

from qubo_dnn.support.jit import compiled

__all__ = ["compiled", "inner", "kernel", "summing"]

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """`compiled` for what makes no array of its own: reference counts of its arguments are left alone."""
    result: F = njit(cache=True, nogil=True, no_cfunc_wrapper=True, _nrt=False)(function)
    return result


def inner(function: F) -> F:
    """The same for what only compiled code calls, and what makes no array of its own.

    It has no wrappers for Python, which take as long to compile, and does not count references: a call that hands over
    a model of twenty arrays would take microseconds for that alone.
    """
    result: F = njit(cache=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False)(function)
    return result


def summing(function: F) -> F:
    """The same for sums and maxima that may be reordered, as vectorised ones have to be; no term of them is NaN.

    The order is settled at compile time.
    """
    result: F = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz", "nnan"})(function)
    return result

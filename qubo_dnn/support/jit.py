"""Numba's compiler. It takes half a second to import, so modules with kernels are imported where they are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile on the first call, keep the machine code on disk, and let other threads run meanwhile.

    Example:
        >>> import colorsys
        >>> luminance, _, _ = compiled(colorsys.rgb_to_yiq)(1.0, 1.0, 1.0)
        >>> round(luminance, 6)
        1.0
    """
    # Nothing calls kernels from C, and the wrapper for that takes as long to compile as the one for Python.
    result: F = njit(cache=True, nogil=True, no_cfunc_wrapper=True)(function)
    return result

"""Keep freed memory in the process, where a computation allocates large arrays again and again.

The C library of Linux (glibc) maps every array above 32 MiB anew and returns it to the system when it is freed. The
system then clears every page again: of a network that takes images of 224 x 224, that is half of the time.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Names of malloc.h, and what glibc begins with; its adapting of the first two ends when one of them is set.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_KEPT = {_MMAP_THRESHOLD: 1 << 30, _TRIM_THRESHOLD: (1 << 31) - 1, _TOP_PAD: 64 << 20}
_GIVEN_BACK = {_MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20, _TOP_PAD: 128 << 10}


def keep_freed_memory() -> None:
    """Let arrays of up to 1 GiB reuse freed memory of this process, from now on.

    For workers: Dask sets the opposite, so that a task may spend most of its time on clearing pages.

    Example:
        >>> keep_freed_memory()
    """
    library = _glibc()
    if library is not None:
        for name, value in _KEPT.items():
            library.mallopt(name, value)


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """Let arrays of up to 1 GiB reuse freed memory of this process, until the block ends; then it goes back.

    On systems with another C library nothing changes. The setting is one of the whole process.

    Example:
        >>> import numpy as np
        >>> with keeping_freed_memory():
        ...     total = sum(float(np.ones(1 << 23).sum()) for _ in range(3))
        >>> total
        25165824.0
    """
    library = _glibc()
    if library is None:
        yield
        return
    keep_freed_memory()
    try:
        yield
    finally:
        for name, value in _GIVEN_BACK.items():
            library.mallopt(name, value)
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """Return the C library if it is that of Linux."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None

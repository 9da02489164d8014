"""Interrupt work in a thread that Ctrl-C does not reach, such as that of a worker."""

from __future__ import annotations

import ctypes
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_stops: dict[int, list[Callable[[], None]]] = defaultdict(list)
_lock = threading.Lock()


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Let `interrupt` end the work of this thread by calling `stop`, until the block ends.

    Args:
        stop: called from another thread; asks the work to end soon, with its best result so far.

    Example:
        >>> asked = []
        >>> with interruptible(lambda: asked.append(True)):
        ...     interrupt(threading.get_ident())
        >>> asked
        [True]
    """
    stops = _stops[threading.get_ident()]
    with _lock:
        stops.append(stop)
    try:
        yield
    finally:
        with _lock:
            stops.remove(stop)


def interrupt(thread: int) -> None:
    """Interrupt the work of a thread of this process.

    Work that cannot stop by itself, see `interruptible`, gets a `KeyboardInterrupt` at its next step in Python.

    Args:
        thread: `threading.get_ident()` of the thread.

    Example:
        >>> interrupt(-1)  # no such thread
    """
    with _lock:
        stops = tuple(_stops.get(thread, ()))
    for stop in stops:
        stop()
    if not stops:
        _raise_in(thread, KeyboardInterrupt)


def forget_interrupt() -> None:
    """Drop an interrupt of this thread that has not been raised yet.

    Example:
        >>> forget_interrupt()
    """
    _raise_in(threading.get_ident(), None)


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    raised = ctypes.py_object() if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread & (2**64 - 1)), raised)

"""Ctrl-C at a moment that suits, and in threads that it does not reach, such as that of a worker."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

_stops: dict[int, list[Callable[[], None]]] = defaultdict(list)
_lock = threading.Lock()


class Deferral:
    """A block that Ctrl-C must not leave halfway: it takes effect at the end of the block, a second one at once.

    Nothing happens outside the main thread, which Ctrl-C does not reach, and where Ctrl-C is ignored.

    Args:
        wake: called at the first Ctrl-C by the signal's handler, between any two steps; must not take a lock.

    Attributes:
        pressed: True after Ctrl-C.

    Example:
        >>> steps = []
        >>> try:
        ...     with Deferral():
        ...         signal.raise_signal(signal.SIGINT)
        ...         steps.append("the block is complete")
        ... except KeyboardInterrupt:
        ...     steps.append("interrupted")
        >>> steps
        ['the block is complete', 'interrupted']
    """

    def __init__(self, wake: Callable[[], object] = lambda: None) -> None:
        self.pressed = False
        self._wake = wake
        self._handler: Callable[[int, FrameType | None], object] | None = None

    def __enter__(self) -> Self:
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler) and threading.current_thread() is threading.main_thread():
            self._handler = handler
            signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handler is None:
            return
        signal.signal(signal.SIGINT, self._handler)
        if self.pressed and error is None:
            self._handler(signal.SIGINT, None)

    def _press(self, number: int, frame: FrameType | None) -> None:
        if self.pressed and self._handler is not None:
            self._handler(number, frame)
        self.pressed = True
        self._wake()


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
        # Never with None, to take it back: CPython 3.11 then looks for an error at every step, and under a profiler it
        # loops for ever.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread & (2**64 - 1)), ctypes.py_object(KeyboardInterrupt)
        )

"""A function run in a process of its own, with its wall-clock seconds and the process's peak memory."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Generic, TypeVar

from qubo_dnn.errors import BackendFailedError

T = TypeVar("T")


@dataclass(frozen=True)
class Measured(Generic[T]):
    """What a function gave and took.

    Attributes:
        value: what it returned.
        seconds: wall-clock, without starting the process.
        before_bytes: peak resident memory of the process when the function began: interpreter and imports.
        peak_bytes: peak resident memory when it had returned.
    """

    value: T
    seconds: float
    before_bytes: int
    peak_bytes: int


def measured(function: Callable[..., T], *arguments: Any) -> Measured[T]:
    """Run `function(*arguments)` in a new interpreter.

    Args:
        function: of a module's top level, so that the new interpreter finds it.
        arguments: can be pickled, as the returned value.

    Raises:
        BackendFailedError: the process ended without an answer, for instance for want of memory.
    """
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sending, function, arguments))
    process.start()
    sending.close()
    try:
        answer: Measured[T] = receiving.recv()
    except EOFError as cause:
        process.join()
        raise BackendFailedError(f"{function.__name__} ended with exit code {process.exitcode}") from cause
    process.join()
    return answer


def _run(sending: Connection, function: Callable[..., T], arguments: tuple[Any, ...]) -> None:
    before = _peak()
    started = time.perf_counter()
    value = function(*arguments)
    sending.send(Measured(value, time.perf_counter() - started, before, _peak()))


def _peak() -> int:
    """Peak resident memory of this process in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux `ru_maxrss` survives exec, and would be at least the peak of the parent.
        high_water = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(high_water.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak

"""Functions timed, and run in processes of their own: for their peak memory, or several side by side."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from qubo_dnn.errors import BackendFailedError

T = TypeVar("T")


def one_thread() -> None:
    """Let what is imported from now on, here and in child processes, compute on one thread.

    PyTorch's solver sees to that itself.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


class Timed(NamedTuple, Generic[T]):
    """A value and the seconds that it took."""

    value: T
    seconds: float


def timed(function: Callable[..., T], *arguments: Any, **named: Any) -> Timed[T]:
    """Call a function; its value and wall-clock seconds.

    Example:
        >>> timed(sum, [1, 2]).value
        3
    """
    started = time.perf_counter()
    value = function(*arguments, **named)
    return Timed(value, time.perf_counter() - started)


def cpu_timed(function: Callable[..., T], *arguments: Any, **named: Any) -> Timed[T]:
    """Call a function; its value and the CPU seconds of this process, all threads together."""
    started = time.process_time()
    value = function(*arguments, **named)
    return Timed(value, time.process_time() - started)


@dataclass(frozen=True)
class Measured(Generic[T]):
    """What a function gave and took in a process of its own.

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

    @property
    def added_bytes(self) -> int:
        """Peak memory beyond interpreter and imports."""
        return self.peak_bytes - self.before_bytes

    @property
    def peak_gib(self) -> float:
        """Peak memory in GiB."""
        return self.peak_bytes / 2**30


def measured(function: Callable[..., T], *arguments: Any, fresh: bool = True) -> Measured[T]:
    """Run `function(*arguments)` in a new process.

    Args:
        function: of a module's top level, so that a new interpreter finds it.
        arguments: can be pickled, as the returned value.
        fresh: True for a new interpreter; False for a copy of this process, with all that it has loaded, which then
            must not have computed on several threads; functions and arguments may be any.

    Raises:
        BackendFailedError: the process ended without an answer, for instance for want of memory.
    """
    context: Any = multiprocessing.get_context("spawn" if fresh else "fork")
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


def streamed(works: Sequence[Callable[[], Iterable[T]]], at_a_time: int) -> Iterator[T]:
    """What works give, as it comes; each runs in a copy of this process, on one thread of PyTorch.

    Args:
        works: give values that can be pickled.
        at_a_time: how many run side by side.

    Raises:
        BackendFailedError: the process of a work failed; it has printed why.
    """
    context = multiprocessing.get_context("fork")
    left, working = list(works), dict[Connection, ForkProcess]()
    while left or working:
        while left and len(working) < at_a_time:
            receiving, sending = context.Pipe(duplex=False)
            process = context.Process(target=_stream, args=(sending, left.pop(0)))
            process.start()
            sending.close()
            working[receiving] = process
        for connection in wait(list(working)):
            assert isinstance(connection, Connection)  # nothing else is waited for
            try:
                yield connection.recv()
            except EOFError as cause:
                process = working.pop(connection)
                process.join()
                if process.exitcode:
                    raise BackendFailedError(f"a process ended with exit code {process.exitcode}") from cause


def _stream(sending: Connection, work: Callable[[], Iterable[Any]]) -> None:
    import torch

    # A copy of a process that has computed on several threads hangs.
    torch.set_num_threads(1)
    for value in work():
        sending.send(value)


def _run(sending: Connection, function: Callable[..., T], arguments: tuple[Any, ...]) -> None:
    before = _peak()
    value, seconds = timed(function, *arguments)
    sending.send(Measured(value, seconds, before, _peak()))


def _peak() -> int:
    """Peak resident memory of this process in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux `ru_maxrss` survives exec, and would be at least the peak of the parent.
        high_water = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(high_water.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak

"""Workers as the rest of the framework sees them, and those behind an executor."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from qubo_dnn.cluster.worker import Shared
from qubo_dnn.errors import ClusterError, OptionError


class Future(Protocol):
    """A result to come, as that of `concurrent.futures`.

    Example:
        >>> from concurrent import futures
        >>> all(hasattr(futures.Future, name) for name in ("result", "cancel", "add_done_callback"))
        True
    """

    def result(self, timeout: float | None = None, /) -> Any: ...

    def cancel(self) -> Any: ...

    def add_done_callback(self, function: Callable[[Any], object], /) -> object: ...


@runtime_checkable
class Executor(Protocol):
    """What can be passed as `executor`: anything that takes a function and its arguments, and returns a future.

    Example:
        >>> from concurrent.futures import ProcessPoolExecutor
        >>> issubclass(ProcessPoolExecutor, Executor)
        True
    """

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future: ...


class Cluster(Protocol):
    """Workers that perform tasks.

    Example:
        >>> def is_large(cluster: Cluster) -> bool:
        ...     return cluster.slots > 100
    """

    @property
    def slots(self) -> int:
        """Number of tasks that run at the same time, at least 1."""

    def dumps(self, value: object) -> bytes:
        """Pickle what is sent to the workers."""

    def submit(self, function: Callable[..., Any], shared: Shared | None, *arguments: Any) -> Future:
        """Start `function(*arguments, shared)`.

        Raises:
            Exception: the workers take no task now.
        """

    def lost(self, future: Future | None, *, hangs: bool) -> None:
        """Prepare for another try of a task whose worker was lost, or hangs.

        Args:
            future: the failed try; None if it was not taken.
            hangs: True if there is no result in time.

        Raises:
            ClusterError: there can be no other try.
        """

    def cancel(self, future: Future) -> bool:
        """Cancel a task that waits in line; False if it may be at work, and is left alone."""

    def interrupt(self, run: str) -> None:
        """Interrupt the tasks of a run that are at work, if that is possible, without waiting for their end."""


class ExecutorCluster:
    """Workers behind an executor of the kind of `concurrent.futures`.

    Args:
        executor: the executor, or a function that makes one, which is called again when a worker of a process pool has
            died: such a pool takes no further task.
        slots: number of tasks at a time; None: as the executor says, or the number of cores here.

    Raises:
        OptionError: it is neither.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> with ThreadPoolExecutor(2) as pool:
        ...     ExecutorCluster(pool).slots
        2
    """

    def __init__(self, executor: Executor | Callable[[], Executor], slots: int | None = None) -> None:
        self._make = None if isinstance(executor, Executor) else executor
        if self._make is not None and not callable(self._make):
            raise OptionError(f"an executor has a method submit, and {type(executor).__name__} has none")
        made = executor if isinstance(executor, Executor) else executor()
        if not isinstance(made, Executor):
            raise OptionError(f"the function made a {type(made).__name__}, which has no method submit")
        self._executor: Executor = made
        # Executors have no common name for it.
        known = slots or getattr(made, "max_workers", None) or getattr(made, "_max_workers", None) or os.cpu_count()
        self.slots = max(1, int(known or 1))

    def dumps(self, value: object) -> bytes:
        """Pickle what is sent to the workers; functions and classes are sent by name."""
        return pickle.dumps(value)

    def submit(self, function: Callable[..., Any], shared: Shared | None, *arguments: Any) -> Future:
        """Start `function(*arguments, shared)`."""
        return self._executor.submit(function, *arguments, shared)

    def lost(self, future: Future | None, *, hangs: bool) -> None:
        """Make another executor if the present one is broken.

        Raises:
            ClusterError: it is broken, and was not made by a function.
        """
        if hangs and future is not None:
            future.cancel()
        # Also of a subclass of the standard library's pools, which say so in no other way.
        if not getattr(self._executor, "_broken", False):
            return
        if self._make is None:
            raise ClusterError(
                "a worker died, and a pool of processes then takes no further task; pass a function that makes the "
                "executor, such as executor=lambda: ProcessPoolExecutor(4), which is called again"
            )
        self._executor = self._make()

    def cancel(self, future: Future) -> bool:
        """Cancel a task that waits in line; False if it may be at work, and is left alone."""
        return bool(future.cancel())

    def interrupt(self, run: str) -> None:
        """Leave tasks that are at work alone: executors cannot interrupt them."""

    def close(self) -> None:
        """End an executor that a function has made."""
        shutdown = getattr(self._executor, "shutdown", None)
        if self._make is not None and shutdown is not None:
            shutdown(wait=False, cancel_futures=True)

"""Tasks on their way to workers, tried again where a worker dies or hangs, and their results in order."""

from __future__ import annotations

import asyncio
import logging
import queue
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from qubo_dnn.backend import PROGRESS
from qubo_dnn.cluster.cluster import Cluster, Future
from qubo_dnn.cluster.worker import Outcome, Shared, packed, perform
from qubo_dnn.errors import ClusterError
from qubo_dnn.support.interruption import Deferral

TRIES = 5
"""Number of workers that may die or hang on one task."""
# Tasks per slot that wait at the workers, so that none idles while results are collected.
_AHEAD = 2
_LOOK = 0.5
# A task that takes so many times as long as the longest of its kind hangs, if it takes as many seconds.
_TIMES_AS_LONG, _AT_LEAST = 20.0, 60.0
# Pause before another try, growing with every one: workers take a moment to be replaced.
_PAUSE = 0.2
# Seconds in which the result of a finished task has to arrive, where nothing says how long a task takes.
_FETCH = 300.0


@dataclass
class _Attempt:
    """A try of a task.

    Attributes:
        content: the task, pickled.
        number: 1 for the first try.
        future: its result to come.
        since: `time.monotonic()` when it was submitted.
    """

    content: bytes
    number: int
    future: Future
    since: float


class TaskRun:
    """Tasks of one kind, and what has become of them.

    As a context manager, it cancels what is not finished at its end. Ctrl-C takes effect at the end of a method, so
    that no result gets lost; `wait` then ends early. A second Ctrl-C takes effect at once.

    Args:
        cluster: the workers.
        function: function of a module, called as `function(shared, *arguments)`.
        shared: sent once; None: there is none, and the function is called with the arguments alone.
        timeout: seconds from the submission of a task after which its worker is taken to hang; up to two tasks for
            every worker wait in line. None: no limit, or that of `alike`.
        alike: True: all tasks take about as long; one hangs if it takes 20 times as long as the longest one that is
            finished, and at least a minute.

    Raises:
        ClusterError: what is shared cannot be pickled.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> from qubo_dnn.cluster.cluster import ExecutorCluster
        >>> with ThreadPoolExecutor(2) as pool, TaskRun(ExecutorCluster(pool), divmod) as run:
        ...     run.submit("first", 7, 2)
        ...     name, outcome = run.wait()
        >>> name, outcome.value
        ('first', (3, 1))
    """

    def __init__(
        self,
        cluster: Cluster,
        function: Callable[..., Any],
        shared: object = None,
        *,
        timeout: float | None = None,
        alike: bool = False,
    ) -> None:
        self._cluster, self._function, self._timeout, self._alike = cluster, function, timeout, alike
        self._shared = None if shared is None else Shared.of(shared, cluster.dumps)
        self._name = uuid.uuid4().hex
        self._open: dict[Any, _Attempt] = {}
        self._ended: queue.SimpleQueue[tuple[Any, Future | None]] = queue.SimpleQueue()
        self._ready: deque[tuple[Any, Outcome]] = deque()
        self._longest: float | None = None
        self._interrupted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open:
            self.interrupt()
        with Deferral():
            self._open.clear()

    @property
    def pending(self) -> int:
        """Number of tasks that are not finished."""
        return len(self._open)

    @property
    def room(self) -> bool:
        """True if another task can be submitted without waiting too long in line."""
        return self.pending < _AHEAD * self._cluster.slots

    def submit(self, name: Any, *arguments: Any) -> None:
        """Send a task to the workers.

        Args:
            name: any hashable name that no other task of this run has.
            *arguments: arguments of the function, behind what is shared.

        Raises:
            ClusterError: it cannot be pickled, or the workers take no task in five tries.
        """
        content = packed((self._function, arguments), self._cluster.dumps)
        with Deferral():
            self._try(name, content, 1)

    def wait(self, seconds: float | None = None) -> tuple[Any, Outcome] | None:
        """Return name and outcome of the next task that ends.

        Args:
            seconds: longest time to wait; None: as long as it takes.

        Returns:
            None if no task is pending, or none has ended within the time.

        Raises:
            ClusterError: a task has lost its worker five times.
        """
        until = None if seconds is None else time.monotonic() + seconds
        # A signal's handler may put into this kind of queue.
        with Deferral(lambda: self._ended.put((None, None))) as ctrl_c:
            while self._open and not self._ready and not ctrl_c.pressed:
                left = _LOOK if until is None else min(_LOOK, until - time.monotonic())
                if left <= 0.0:
                    break
                self._take(left)
        return self._ready.popleft() if self._ready else None

    def _take(self, seconds: float) -> None:
        """Wait for the end of a try, and fetch its result."""
        try:
            name, future = self._ended.get(timeout=seconds)
        except queue.Empty:
            self._look_for_hanging()
            return
        attempt = self._open.get(name)
        if attempt is None or attempt.future is not future:
            # Another try has overtaken it.
            return
        try:
            outcome: Outcome = attempt.future.result(self._limit() or _FETCH)
        except TimeoutError:
            # It was finished, and its worker hangs before it has sent it.
            self._again(name, attempt, "its result does not arrive", hangs=True)
        except (Exception, asyncio.CancelledError) as cause:
            self._again(name, attempt, cause, hangs=False)
        else:
            del self._open[name]
            self._longest = max(self._longest or 0.0, time.monotonic() - attempt.since)
            self._ready.append((name, outcome))

    def interrupt(self) -> None:
        """Cancel tasks that wait in line, and interrupt those at work, which may still end with a result."""
        self._interrupted = True
        with Deferral():
            for name, attempt in list(self._open.items()):
                if self._cluster.cancel(attempt.future):
                    del self._open[name]
            self._cluster.interrupt(self._name)

    def _try(self, name: Any, content: bytes, number: int) -> None:
        """Send a task to the workers, again if they take none at the moment."""
        try:
            future = self._cluster.submit(perform, self._shared, self._name, content)
        except Exception as cause:
            self._check(number, cause)
            self._cluster.lost(None, hangs=False)
            time.sleep(_PAUSE * number)
            return self._try(name, content, number + 1)
        self._open[name] = _Attempt(content, number, future, time.monotonic())
        future.add_done_callback(lambda ended: self._ended.put((name, ended)))
        return None

    def _again(self, name: Any, attempt: _Attempt, cause: object, *, hangs: bool) -> None:
        """Try a task again on another worker, unless the run was interrupted."""
        if self._interrupted:
            del self._open[name]
            return
        self._check(attempt.number, cause)
        logging.getLogger(f"{PROGRESS}.cluster").info("a worker was lost (%s); its task is done again", _words(cause))
        self._cluster.lost(attempt.future, hangs=hangs)
        time.sleep(_PAUSE * attempt.number)
        self._try(name, attempt.content, attempt.number + 1)

    def _check(self, number: int, cause: object) -> None:
        if number >= TRIES:
            raise ClusterError(f"a task has lost its worker {TRIES} times, the last time by {_words(cause)}")

    def _limit(self) -> float | None:
        """Return the seconds after which a task hangs; None: it may take any time."""
        if self._timeout is None and self._alike and self._longest is not None:
            return max(_AT_LEAST, _TIMES_AS_LONG * self._longest)
        return self._timeout

    def _look_for_hanging(self) -> None:
        limit = self._limit()
        if limit is None:
            return
        for name, attempt in list(self._open.items()):
            if time.monotonic() - attempt.since > limit:
                self._again(name, attempt, f"no result within {limit:.3g} s", hangs=True)


def _words(cause: object) -> str:
    """Describe why a worker was lost in one line."""
    text = f"{type(cause).__name__}: {cause}" if isinstance(cause, BaseException) else str(cause)
    return " ".join(text.split())


def value_of(outcome: Outcome) -> Any:
    """Return what the function of a task returned.

    Raises:
        Exception: what it raised.
        KeyboardInterrupt: it was interrupted.

    Example:
        >>> value_of(Outcome(3))
        3
    """
    if outcome.interrupted:
        raise KeyboardInterrupt
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


def ordered_map(
    cluster: Cluster | None,
    function: Callable[..., Any],
    tasks: Iterable[Sequence[Any]],
    shared: Any,
    *,
    timeout: float | None = None,
) -> Iterator[Any]:
    """Generate `function(shared, *task)` in the order of the tasks, which are made as they are needed.

    Args:
        cluster: the workers; None: all is computed here, one after the other, and nothing is copied.
        function: function of a module.
        tasks: arguments of every call; all calls take about as long, see `TaskRun`.
        shared: first argument of all calls.
        timeout: see `TaskRun`.

    Raises:
        Exception: what the function raises, for the first task that fails.
        ClusterError: the workers fail.

    Example:
        >>> list(ordered_map(None, pow, [(1,), (2,), (3,)], 2))
        [2, 4, 8]
    """
    if cluster is None:
        yield from (function(shared, *task) for task in tasks)
        return
    numbered = enumerate(tasks)
    found: dict[int, Outcome] = {}
    due = 0
    with TaskRun(cluster, function, shared, timeout=timeout, alike=True) as run:
        more = True
        while True:
            # Results that wait for an earlier one take memory.
            while more and run.room and len(found) < 2 * _AHEAD * cluster.slots:
                number, task = next(numbered, (-1, ()))
                more = number >= 0
                if more:
                    run.submit(number, *task)
            if due in found:
                yield value_of(found.pop(due))
                due += 1
            elif (ended := run.wait()) is not None:
                found[ended[0]] = ended[1]
            else:
                return

"""What runs on a worker: a task, the arguments that all tasks of a run share, and its interruption."""

from __future__ import annotations

import pickle
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qubo_dnn.errors import ClusterError
from qubo_dnn.support.interruption import interrupt

# Thread -> the run whose task it works on.
_running: dict[int, str] = {}
# Runs whose further tasks end at once.
_interrupted: set[str] = set()
_lock = threading.Lock()
_kept = threading.local()


@dataclass(frozen=True)
class Shared:
    """What all tasks of a run share, pickled once.

    Attributes:
        key: name that is used once.
        content: pickle of the value, made by the process that sends the tasks and never read from a file.

    Example:
        >>> Shared.of([1, 2]).value()
        [1, 2]
    """

    key: str
    content: bytes

    @classmethod
    def of(cls, value: object, dumps: Callable[[object], bytes] = pickle.dumps) -> Shared:
        """Pickle a value.

        Raises:
            ClusterError: it cannot be pickled.
        """
        return cls(uuid.uuid4().hex, packed(value, dumps))

    def value(self) -> Any:
        """Return this thread's own copy of the value; it is kept until the thread works for another run."""
        # One copy per thread: tasks hang hooks on networks.
        if getattr(_kept, "key", None) != self.key:
            _kept.value, _kept.key = pickle.loads(self.content), self.key
        return _kept.value


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Attributes:
        value: what its function returned.
        error: what its function raised; None if it returned.
        interrupted: True if it was interrupted before it returned.

    Example:
        >>> Outcome(3).error is None
        True
    """

    value: Any = None
    error: Exception | None = None
    interrupted: bool = False


def packed(value: object, dumps: Callable[[object], bytes] = pickle.dumps) -> bytes:
    """Pickle what is sent to workers.

    Raises:
        ClusterError: it cannot be pickled; the text has the reason.

    Example:
        >>> packed(lambda: 1)
        Traceback (most recent call last):
        qubo_dnn.errors.ClusterError: cannot be sent to workers: ...
    """
    try:
        return dumps(value)
    except (pickle.PicklingError, AttributeError, TypeError, ValueError, RuntimeError) as cause:
        raise ClusterError(f"cannot be sent to workers: {cause}") from cause


def perform(run: str, task: bytes, shared: Shared | None) -> Outcome:
    """Perform a task of a run in this thread.

    Args:
        run: name of the run, for `interrupt_run`.
        task: the function and its arguments, see `packed`.
        shared: a first argument that all tasks of the run share; None: there is none.

    Returns:
        Also what the function raised, so that a failure of the worker can be told from a failure of the task. Running
        out of memory counts as a failure of the worker.

    Example:
        >>> perform("divisions", packed((divmod, (7, 2))), None).value
        (3, 1)
        >>> perform("divisions", packed((divmod, (7, 0))), None).error
        ZeroDivisionError('integer division or modulo by zero')
    """
    try:
        return _performed(run, task, shared)
    except KeyboardInterrupt:
        # It came while the task was ending.
        with _lock:
            _running.pop(threading.get_ident(), None)
        return Outcome(interrupted=True)


def _performed(run: str, task: bytes, shared: Shared | None) -> Outcome:
    thread = threading.get_ident()
    with _lock:
        if run in _interrupted:
            return Outcome(interrupted=True)
        _running[thread] = run
    try:
        function, arguments = pickle.loads(task)
        first = () if shared is None else (shared.value(),)
        return Outcome(function(*first, *arguments))
    except KeyboardInterrupt:
        return Outcome(interrupted=True)
    except MemoryError:
        raise
    except Exception as error:
        return Outcome(error=_sendable(error))
    finally:
        with _lock:
            del _running[thread]
        _let_interrupts_come()


def _let_interrupts_come() -> None:
    """Do nothing: Python raises an interrupt that is under way at the next call of a function."""


def interrupt_run(run: str) -> None:
    """Interrupt all tasks of a run in this process, also those that have not begun.

    Example:
        >>> interrupt_run("a run")
        >>> perform("a run", packed((divmod, (7, 2))), None).interrupted
        True
    """
    with _lock:
        _interrupted.add(run)
        for thread, name in _running.items():
            if name == run:
                interrupt(thread)


def _sendable(error: Exception) -> Exception:
    """Return an error that can be pickled: the given one, or one with its words."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return ClusterError(f"a task failed: {type(error).__name__}: {error}")
    return error

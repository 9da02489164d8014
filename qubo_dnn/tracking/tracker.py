"""Forwards the events of a run to its callbacks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from qubo_dnn.errors import CallbackWarning
from qubo_dnn.support.arguments import check
from qubo_dnn.support.masking import masked
from qubo_dnn.support.printable import printable
from qubo_dnn.tracking.callback import Callback


class Tracker:
    """Forwards the events of one run to callbacks, whose exceptions do not end it.

    It is false if there are no callbacks, so that figures which only they need are not computed.

    Args:
        callbacks: the callbacks, in the order in which they receive every event.

    Raises:
        ArgumentError: `callbacks` is not a sequence of instances of `Callback`.

    Example:
        >>> class Printer(Callback):
        ...     def finished(self, result: object) -> None:
        ...         print("finished:", result)
        >>> tracker = Tracker([Printer()])
        >>> with tracker.run("solve", {"seed": 1}):
        ...     tracker.metric("objective", -2.0, 1)
        ...     tracker.finished("an answer")
        finished: an answer
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        check(callbacks, Sequence[Callback], "callbacks")
        # Those whose run has begun and not ended, and those of them that still take metrics.
        self._callbacks, self._open, self._measured = tuple(callbacks), list[Callback](), list[Callback]()

    def __bool__(self) -> bool:
        return bool(self._callbacks)

    @contextmanager
    def run(self, kind: str, parameters: Mapping[str, Any]) -> Iterator[None]:
        """Begin a run, and report what its body raises.

        Args:
            kind: see `Callback.started`.
            parameters: the same; secrets are masked here.
        """
        try:
            for callback in self._callbacks:
                # It is open before it has started: an interruption in between is reported, too.
                self._open.append(callback)
                if self._called(callback, "started", kind, masked(parameters)):
                    self._measured.append(callback)
                else:
                    self._open.remove(callback)
            yield
        except BaseException as error:
            self._end("failed", error)
            raise

    def metric(self, name: str, value: float | None, step: int) -> None:
        """Report a figure; None is not reported."""
        if value is None:
            return
        for callback in tuple(self._measured):
            if not self._called(callback, "metric", name, float(value), step):
                self._measured.remove(callback)

    def finished(self, result: Any) -> None:
        """Report the result of the run."""
        self._end("finished", result)

    def _end(self, event: str, outcome: object) -> None:
        """Report the end of the run to all who do not know of it."""
        while self._open:
            self._called(self._open.pop(0), event, outcome)

    def _called(self, callback: Callback, event: str, *arguments: object) -> bool:
        """Call a method of a callback, and return whether it raised no exception."""
        try:
            getattr(callback, event)(*arguments)
        except Exception as error:
            said = printable(" ".join(f"{type(error).__name__}: {error}".split()))
            text = f"{event} of the callback {type(callback).__name__} raised {said}"
            # `warnings.warn` would show the same text once in a process; every run that is not tracked counts.
            warnings.warn_explicit(text, CallbackWarning, __file__, 0)
            return False
        return True

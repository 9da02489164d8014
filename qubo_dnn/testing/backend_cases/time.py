"""Case of the backend kit for time limits, with a clock that a busy machine does not affect."""

from __future__ import annotations

import time
from pathlib import Path

from qubo_dnn.backend import Backend
from qubo_dnn.errors import BackendFailedError, TimeLimitError
from qubo_dnn.testing.backend_cases.answers import ask, fitting
from qubo_dnn.testing.backend_cases.models import BQM, rugged_model
from qubo_dnn.testing.common import NotApplicable, expect

TIME_LIMIT = 0.25
SECONDS_OVER = 2.0
"""Seconds by which a call may exceed `TIME_LIMIT`, since reads do not end exactly at the limit."""
TRIES = 3
"""Number of tries, of which one must be in time: only a backend that is always late ignores the limit."""

_SCHEDULED = Path("/proc/thread-self/schedstat")


def time_limit_is_kept(backend: Backend) -> None:
    """A call with far too many reads ends soon after its time limit, and so does one without `num_reads`.

    Example:
        >>> from types import SimpleNamespace
        >>> from qubo_dnn.backend import Capabilities
        >>> time_limit_is_kept(SimpleNamespace(capabilities=Capabilities(timed=False)))
        Traceback (most recent call last):
        qubo_dnn.testing.common.NotApplicable: capabilities.timed is False
    """
    able = backend.capabilities
    if not able.timed:
        raise NotApplicable("capabilities.timed is False")
    model = rugged_model(fitting(backend, 30), 4)
    ask(backend, rugged_model(2, 4))  # the first call may load modules
    for reads in (5000, None):
        taken: list[float] = []
        while len(taken) < TRIES and not (taken and taken[-1] < TIME_LIMIT + SECONDS_OVER):
            taken.append(_seconds_taken(backend, model, reads))
        asked = "" if reads is None else f" and num_reads {reads}"
        expect(
            min(taken) < TIME_LIMIT + SECONDS_OVER,
            f"the time limit is overrun: time_limit is {TIME_LIMIT} s{asked}, but each of {TRIES} calls took "
            f"{min(taken):.1f} s or more",
        )


def unhindered_seconds() -> float:
    """Return the time of a clock that stops while this thread waits for a core, if the kernel counts that (Linux does).

    Example:
        >>> start = unhindered_seconds()
        >>> unhindered_seconds() - start < 60.0
        True
    """
    try:
        waited = int(_SCHEDULED.read_text().split()[1]) * 1e-9
    except (OSError, IndexError, ValueError):
        waited = 0.0
    return time.perf_counter() - waited


def _seconds_taken(backend: Backend, model: BQM, reads: int | None) -> float:
    start = unhindered_seconds()
    try:
        ask(backend, model, time_limit=TIME_LIMIT, **({} if reads is None else {"num_reads": reads}))
    except BackendFailedError as failed:
        gives_up = backend.capabilities.exact or isinstance(failed, TimeLimitError)
        expect(gives_up, f"only an exact backend or a service may give up at the time limit: {failed}")
    return unhindered_seconds() - start

"""Case of the backend kit for Ctrl-C, simulated at given function calls, independently of time and chance."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import dimod

from qubo_dnn.backend import Backend
from qubo_dnn.errors import BackendFailedError
from qubo_dnn.testing.backend_cases.answers import ask, fitting, require_well_formed, rows_of, seeded_options
from qubo_dnn.testing.backend_cases.models import BQM, fields_model
from qubo_dnn.testing.common import NotApplicable, expect

MOMENTS = (0.3, 0.6, 0.9)
"""Moments of Ctrl-C, as shares of all function calls of a complete run."""


def ctrl_c_is_passed_on(backend: Backend) -> None:
    """Ctrl-C raises `KeyboardInterrupt`, or ends the run with the best rows so far and `info["interrupted"]`.

    A service whose problem is cancelled may also raise `BackendFailedError`.

    Example:
        >>> from types import SimpleNamespace
        >>> from qubo_dnn.backend import Capabilities
        >>> ctrl_c_is_passed_on(SimpleNamespace(capabilities=Capabilities(max_variables=4)))
        Traceback (most recent call last):
        qubo_dnn.testing.common.NotApplicable: ...
    """
    if threading.current_thread() is not threading.main_thread():
        raise NotApplicable("Ctrl-C reaches the main thread only, and this is another one")
    # Searches often enumerate all states of fewer variables.
    size = fitting(backend, 13)
    if size < 8:
        raise NotApplicable(f"capabilities.max_variables is {size}: too few to tell a made-up row from luck")
    model = fields_model(size)
    opposite = model.copy()
    opposite.scale(-1.0)
    ask(backend, model, num_reads=5)  # the first call may load modules
    calls = _Keyboard(None)
    _interrupted(backend, model, calls)
    answered = []
    for moment in MOMENTS:
        at = max(1, int(moment * calls.made))
        found = _interrupted(backend, model, _Keyboard(at))
        if found is None:
            continue
        expect(
            found.info.get("interrupted") is True,
            "Ctrl-C is swallowed: the call went on or returned a row, without info['interrupted']",
        )
        expect(
            any(len(set(row.values())) > 1 for row in rows_of(found)),
            "at Ctrl-C a made-up row is returned: all of its values are equal",
        )
        answered.append((at, rows_of(found)))
    # Rows that follow the model at one moment are not made up, and further runs would show nothing more.
    unmoved = (_rows(_interrupted(backend, opposite, _Keyboard(at))) == rows for at, rows in answered)
    expect(
        not (len(answered) == len(MOMENTS) and all(unmoved)),
        "at Ctrl-C made-up rows are returned: they are the same for a model and for its opposite",
    )


class _Keyboard:
    """Counts function calls, as `sys.setprofile` reports them, and simulates Ctrl-C at one of them."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.made = 0
        self.pressed = False

    def __call__(self, _frame: FrameType, event: str, _argument: Any) -> None:
        if event not in ("call", "c_call"):
            return
        self.made += 1
        if self.made == self.at:
            self.pressed = True
            sys.setprofile(None)  # a run that goes on need not be counted
            signal.raise_signal(signal.SIGINT)


def _interrupted(backend: Backend, model: BQM, keyboard: _Keyboard) -> dimod.SampleSet | None:
    """Return the sample set; None if the run gives none, or if it ends before the moment of Ctrl-C."""
    try:
        options = seeded_options(backend, {"num_reads": 5})
        with _listening(keyboard):
            found = backend.sample(model, options)
    except KeyboardInterrupt:
        return None
    except BackendFailedError:
        if not keyboard.pressed:
            raise
        return None
    require_well_formed(found, model)
    return found if keyboard.pressed else None


def _rows(found: dimod.SampleSet | None) -> list[dict[Any, int]] | None:
    return None if found is None else rows_of(found)


@contextmanager
def _listening(keyboard: _Keyboard) -> Iterator[None]:
    """Let Ctrl-C raise `KeyboardInterrupt`, even if it is ignored, as under nohup, and report calls to the keyboard."""
    handler, profiler = signal.signal(signal.SIGINT, signal.default_int_handler), sys.getprofile()
    try:
        sys.setprofile(keyboard)
        yield
    finally:
        sys.setprofile(profiler)
        signal.signal(signal.SIGINT, handler)

"""The backend kit's case of Ctrl-C, which is pressed at chosen calls of functions: no clock, no chance."""

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
from qubo_dnn.testing.backend_answers import ask, fitting, require_well_formed, rows_of, seeded_options
from qubo_dnn.testing.backend_models import BQM, fields_model
from qubo_dnn.testing.common import NotApplicable, expect

MOMENTS = (0.3, 0.6, 0.9)
"""When Ctrl-C is pressed, as shares of all calls of functions that a whole run makes."""


def ctrl_c_is_passed_on(backend: Backend) -> None:
    """Ctrl-C raises `KeyboardInterrupt`, or ends the run with what was found until then and says so.

    A service whose problem is cancelled may raise `BackendFailedError` as well.
    """
    if threading.current_thread() is not threading.main_thread():
        raise NotApplicable("Ctrl-C reaches the main thread only, and this is another one")
    # Searches often look at all states of fewer variables at once.
    size = fitting(backend, 13)
    if size < 8:
        raise NotApplicable(f"capabilities.max_variables is {size}: too few to tell a made-up row from luck")
    model = fields_model(size)
    opposite = model.copy()
    opposite.scale(-1.0)
    ask(backend, model, num_reads=5)  # whatever a first call has to load is not sampling
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
        answered.append((found, _interrupted(backend, opposite, _Keyboard(at))))
    unmoved = [other is not None and rows_of(found) == rows_of(other) for found, other in answered]
    expect(
        not (len(unmoved) == len(MOMENTS) and all(unmoved)),
        "at Ctrl-C made-up rows are returned: they are the same for a model and for its opposite",
    )


class _Keyboard:
    """Counts calls of functions, as `sys.setprofile` reports them, and presses Ctrl-C at one of them."""

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
            signal.raise_signal(signal.SIGINT)


def _interrupted(backend: Backend, model: BQM, keyboard: _Keyboard) -> dimod.SampleSet | None:
    """The answer; None if there is none, or if Ctrl-C was to be pressed after the end of the run."""
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


@contextmanager
def _listening(keyboard: _Keyboard) -> Iterator[None]:
    """Ctrl-C raises `KeyboardInterrupt`, even where it is ignored as under nohup, and the keyboard sees calls."""
    handler, profiler = signal.signal(signal.SIGINT, signal.default_int_handler), sys.getprofile()
    try:
        sys.setprofile(keyboard)
        yield
    finally:
        sys.setprofile(profiler)
        signal.signal(signal.SIGINT, handler)

"""Show the progress of long work on stderr."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self

from qubo_dnn.backend import PROGRESS
from qubo_dnn.solving.solution import BackendCall
from qubo_dnn.support.printable import printable

if TYPE_CHECKING:
    from rich.progress import TaskID

    from qubo_dnn.compression.search.progress import SearchRound
    from qubo_dnn.support.progress_bars import ProgressBars

# Terminals that cannot draw over a line.
_PLAIN = ("dumb", "unknown")


def is_watched() -> bool:
    """Return whether somebody sees progress bars: in a terminal, or in a notebook.

    Example:
        >>> is_watched() in (True, False)
        True
    """
    return sys.stderr.isatty() or _in_notebook()


def _in_notebook() -> bool:
    # A program may import a kernel's package, as tools that run notebooks do, without being in a notebook.
    kernels = sys.modules.get("ipykernel.kernelapp")
    return kernels is not None and bool(kernels.IPKernelApp.initialized())


def _print(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)


class ConsoleReporter:
    """Show the stages of a command; see `qubo_dnn.compression.search.progress.CompressionReporter`.

    A terminal, or a notebook with ipywidgets, shows a live bar for each stage, with the remaining time where it is
    known; otherwise one line is printed when a stage ends.

    Args:
        limits: name of a stage -> most seconds that it takes; None: no limit.

    Example:
        >>> with ConsoleReporter() as reporter:
        ...     reporter.stage("measure")
        ...     reporter.progress(1, 2)
    """

    def __init__(self, limits: Mapping[str, float | None] = MappingProxyType({})) -> None:
        self._bars = _live_bars() if _can_be_live() else None
        self._task: TaskID | None = None
        self._stage, self._note, self._started = "", "", 0.0
        self._limits = limits
        self._pace: _Pace | None = None
        self._done = 0
        self._heard = _Heard(self)

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        logger = logging.getLogger(PROGRESS)
        self._level = logger.level
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logger = logging.getLogger(PROGRESS)
        logger.removeHandler(self._heard)
        logger.setLevel(self._level)
        if kind is None:
            self._finish()
        if self._bars is not None:
            self._bars.stop()

    def stage(self, name: str) -> None:
        """Begin a stage, and end the previous one."""
        self._finish()
        self._stage, self._note, self._started, self._pace = name, "", time.perf_counter(), None
        if self._bars is not None:
            self._task = self._bars.begin(name, self._limits.get(name))

    def progress(self, done: int, total: int) -> None:
        """Show the number of steps done in the current stage."""
        self._show(done, total, f"{done:,} of {total:,}")

    def item(self, text: str, done: int, total: int) -> None:
        """Begin another one of several items of the stage, of which `done` are done; in a log it has its own line."""
        if self._bars is None:
            _print(text)
        self._show(done, total, f"{printable(text)} ({done + 1:,} of {total:,})")

    def backend_call(self, done: BackendCall) -> None:
        """Show the result of a backend call."""
        best = "nothing feasible yet" if done.objective is None else f"best {done.objective:.6g}"
        self.said(f"call {done.number}, {best}")

    def said(self, text: str) -> None:
        """Show the progress of a backend's run."""
        self._note = printable(text)
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, note=self._note)

    def search_round(self, done: SearchRound) -> None:
        """Print a line about a finished round of the search."""
        self._finish()
        chosen = "".join(f", {name} {value}" for name, value in done.parameters.items())
        predicted = "" if done.predicted is None else f", predicted {done.predicted:.4f}"
        _print(
            f"round {done.number}: held-out divergence {done.divergence:.4f}{predicted}{chosen}, {done.seconds:.1f} s: "
            + ("accepted" if done.accepted else f"not clearly better than {done.best:.4f}, the last round")
        )

    def warning(self, text: str) -> None:
        """Print a warning."""
        _print(f"warning: {text}")

    def _show(self, done: int, total: int, note: str) -> None:
        """Show a number of steps; a stage with a time limit goes by the clock."""
        self.said(note)
        if self._bars is None or self._task is None or self._limits.get(self._stage) is not None:
            return
        now = time.perf_counter()
        if self._pace is None or done < self._done:
            self._pace = _Pace(done, total, now)
        self._done = done
        # A total that grows is not known.
        known = total if total == self._pace.total else None
        self._bars.steps(self._task, done, known, self._pace.ends(done, known, now))

    def _finish(self) -> None:
        if self._bars is not None and self._task is not None:
            self._bars.finish(self._task)
        elif self._stage:
            note = f" ({self._note})" if self._note else ""
            _print(f"{self._stage}{note}: {time.perf_counter() - self._started:.1f} s")
        self._stage, self._task = "", None


@dataclass(frozen=True)
class _Pace:
    """The steps done and their total when a stage first reported, and the time: a resumed stage does not begin at 0."""

    done: int
    total: int
    since: float

    def ends(self, done: int, total: int | None, now: float) -> float | None:
        """Return when all steps will be done if the rest takes as long per step; None if this is not known yet."""
        if total is None or done == self.done:
            return None
        return now + (now - self.since) * (total - done) / (done - self.done)


def _can_be_live() -> bool:
    # In a notebook, rich draws bars by ipywidgets alone.
    if _in_notebook():
        return importlib.util.find_spec("ipywidgets") is not None
    return sys.stderr.isatty() and os.environ.get("TERM") not in _PLAIN


def _live_bars() -> ProgressBars:
    # Loading it takes a twentieth of a second, which is seen where a command is refused at once.
    from qubo_dnn.support.progress_bars import ProgressBars

    return ProgressBars()


class _Heard(logging.Handler):
    """Receive log records of backends (`qubo_dnn.backend.PROGRESS`): INFO prints a line once, DEBUG updates a note."""

    def __init__(self, reporter: ConsoleReporter) -> None:
        super().__init__()
        self._reporter, self._last = reporter, ""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno < logging.INFO:
            self._reporter.said(text)
        elif text != self._last:
            self._last = text
            _print(text)

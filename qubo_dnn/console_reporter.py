"""Show the progress of long work on stderr."""

from __future__ import annotations

import importlib.util
import logging
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from qubo_dnn.backend import PROGRESS
from qubo_dnn.solving.solution import BackendCall
from qubo_dnn.solving.solve import MAX_CALLS

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from qubo_dnn.compression.search.progress import SearchRound


def is_watched() -> bool:
    """Return whether somebody sees progress bars: in a terminal, or in a notebook.

    Example:
        >>> is_watched() in (True, False)
        True
    """
    return sys.stderr.isatty() or _in_notebook()


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class ConsoleReporter:
    """Show the stages of a command; see `qubo_dnn.compression.search.progress.CompressionReporter`.

    A terminal, or a notebook with ipywidgets, shows a live bar for each stage; otherwise one line is printed when a
    stage ends.

    Example:
        >>> with ConsoleReporter() as reporter:
        ...     reporter.stage("measure")
        ...     reporter.progress(1, 2)
    """

    def __init__(self) -> None:
        self._bars = _live_bars() if _can_be_live() else None
        self._task: TaskID | None = None
        self._stage, self._note, self._started = "", "", 0.0
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
        self._stage, self._note, self._started = name, "", time.perf_counter()
        if self._bars is not None:
            self._task = self._bars.add_task(name, total=None, note="")

    def progress(self, done: int, total: int) -> None:
        """Show the number of steps done in the current stage."""
        self._update(done, total, f"{done:,} of {total:,}")

    def backend_call(self, done: BackendCall) -> None:
        """Show the result of a backend call."""
        best = "nothing feasible yet" if done.objective is None else f"best {done.objective:.6g}"
        self._update(done.number, MAX_CALLS, f"call {done.number}, {best}")

    def said(self, text: str) -> None:
        """Show the progress of a backend's run."""
        self._note = text
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, note=text)

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

    def _update(self, done: int, total: int, note: str) -> None:
        self._note = note
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=done, total=total, note=note)

    def _finish(self) -> None:
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=1, total=1)
        elif self._stage:
            note = f" ({self._note})" if self._note else ""
            _print(f"{self._stage}{note}: {time.perf_counter() - self._started:.1f} s")
        self._stage, self._task = "", None


def _can_be_live() -> bool:
    # In a notebook, rich draws bars by ipywidgets alone.
    return importlib.util.find_spec("ipywidgets") is not None if _in_notebook() else sys.stderr.isatty()


def _live_bars() -> Progress:
    # Loading it takes a twentieth of a second, which is seen where a command is refused at once.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True, markup=False, highlight=False))


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

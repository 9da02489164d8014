"""Show the progress of a command on stderr, and the figures of a compression as a table on stdout."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import typer

from qubo_dnn.backend import PROGRESS
from qubo_dnn.cli.output import print_table
from qubo_dnn.solving.solution import BackendCall
from qubo_dnn.solving.solve import MAX_CALLS

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from qubo_dnn.compression.search.progress import SearchRound

# Losing more accuracy than this deserves a word.
COLLAPSE = 0.05


class ConsoleReporter:
    """Show the stages of a command; see `qubo_dnn.compression.search.progress.CompressionReporter`.

    A terminal shows a live bar for each stage; otherwise one line is printed when a stage ends.
    """

    def __init__(self) -> None:
        self._bars = _live_bars() if sys.stderr.isatty() else None
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
        typer.echo(
            f"round {done.number}: held-out divergence {done.divergence:.4f}{predicted}{chosen}, {done.seconds:.1f} s: "
            + ("accepted" if done.accepted else f"not clearly better than {done.best:.4f}, the last round"),
            err=True,
        )

    def warning(self, text: str) -> None:
        """Print a warning."""
        typer.echo(f"warning: {text}", err=True)

    def _update(self, done: int, total: int, note: str) -> None:
        self._note = note
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=done, total=total, note=note)

    def _finish(self) -> None:
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=1, total=1)
        elif self._stage:
            note = f" ({self._note})" if self._note else ""
            typer.echo(f"{self._stage}{note}: {time.perf_counter() - self._started:.1f} s", err=True)
        self._stage, self._task = "", None


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
            typer.echo(text, err=True)


def print_run(result: Mapping[str, Any], out: Path) -> None:
    """Print the figures of a compression, see `qubo_dnn.compression.result.result`."""
    before, after = result["reference"], result["compressed"]
    divergence = result["held_out_divergence"]
    rows = [
        ("test accuracy", _percent(before["accuracy"]), _percent(after["accuracy"])),
        ("test loss", _number(before["loss"]), _number(after["loss"])),
        ("file bytes", f"{before['bytes']:,}", f"{after['bytes']:,} ({_percent(after['bytes'] / before['bytes'])})"),
        ("stored bits per weight", "32", _number(after["bits_per_weight"])),
        ("weights pruned", None, _percent(after["pruned_fraction"])),
        ("held-out divergence, bare", None, _number(divergence["bare"])),
        ("held-out divergence", None, _number(divergence["recovered"])),
        ("calibration loss increase", None, _number(result["calibration_loss_increase"])),
        ("predicted loss increase", None, _number(result["predicted_loss_increase"])),
    ]
    print_table((result["network"], "reference", "compressed"), rows)
    typer.echo("\n" + "\n".join([*_remarks(result), f"written to {out}"]))


def _remarks(result: Mapping[str, Any]) -> Iterator[str]:
    before, after = result["reference"], result["compressed"]
    for budget in result["budgets"]:
        percent = budget["kind"].endswith("fraction")
        used, limit = (f"{budget[name] * (100 if percent else 1):.6g}" for name in ("used", "limit"))
        yield f"budget: {used} of {limit} {'% ' if percent else ''}{budget['unit']}"
    yield f"recovery: {' and '.join(result['recovery']) or 'none'}"
    rounds = f"{len(result['rounds'])} round{'' if len(result['rounds']) == 1 else 's'}"
    yield (
        f"solved by {result['backend']}"
        + ("" if result["seed"] is None else f" with seed {result['seed']}")
        + f": {result['variables']:,} variables, {result['interactions']:,} interactions, {rounds}"
        + (", interrupted" if result["interrupted"] else "")
    )
    if result["reward"]["kind"] == "measured":
        yield "measured reward: {evaluations:,} plans in {seconds:.1f} s".format(**result["reward"])
    if result["certificate"]:
        plan = _gap(result["certificate"]["plan_gap"])
        yield f"certificate: {proven(result['certificate'])}" + (f"; of the plan {plan}" if plan else "")
    if result["failed"]:
        yield f"warning: a later round broke off: {result['failed']}"
    yield "seconds: " + ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in result["seconds"].items())
    for skipped in result["left_alone"]:
        yield f"left alone: {skipped['name'] or 'the model'} ({skipped['type']}): {skipped['reason']}"
    if before["accuracy"] is not None and before["accuracy"] - after["accuracy"] > COLLAPSE:
        yield f"warning: the accuracy fell by {100 * (before['accuracy'] - after['accuracy']):.2f} points"
    if after["bytes"] >= before["bytes"]:
        yield "warning: the file is not smaller"


def proven(certificate: Mapping[str, Any]) -> str:
    """Format the figures of a certificate, see `qubo_dnn.bounds.certificate.Certificate.figures`, as one line."""
    gap, bound = _gap(certificate["gap"]), certificate["bound"]
    if certificate["infeasible"]:
        said = "infeasible: no state keeps the constraints"
    else:
        said = f"proven gap {gap}" if gap else "no proven gap"
        said += ", no bound" if bound is None else f", bound {bound:.10g}"
    optimal = "optimal: " if certificate["optimal"] else ""
    return f"{optimal}{said}, by {certificate['method']}, {certificate['seconds']:.1f} s"


def _gap(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.3g} %"


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.2f} %"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"

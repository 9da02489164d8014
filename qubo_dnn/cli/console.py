"""Progress of a compression on stderr, and its figures as a table on stdout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from qubo_dnn.cli.output import print_table
from qubo_dnn.solve import MAX_ROUNDS, Round

# Losing more accuracy than this deserves a word.
COLLAPSE = 0.05


class ConsoleReporter:
    """Shows the stages of a compression, one line each; see `qubo_dnn.compression.pipeline.Reporter`."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=Console(stderr=True, markup=False, highlight=False))
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._finish()
        self._progress.stop()

    def stage(self, name: str) -> None:
        """A stage begins, and the one before is done."""
        self._finish()
        self._task = self._progress.add_task(name, total=None)

    def progress(self, done: int, total: int) -> None:
        """Images done in the present stage."""
        self._update(completed=done, total=total)

    def round(self, done: Round) -> None:
        """The backend has answered once more."""
        best = "nothing within the budget yet" if done.objective is None else f"best {done.objective:.6g}"
        self._update(completed=done.number, total=MAX_ROUNDS, description=f"solve: {best}")

    def _update(self, **fields: Any) -> None:
        if self._task is not None:
            self._progress.update(self._task, **fields)

    def _finish(self) -> None:
        if self._task is not None:
            done = self._progress.tasks[-1].completed or 1
            self._progress.update(self._task, completed=done, total=done)


def print_run(result: Mapping[str, Any], out: Path) -> None:
    """Print the figures of a compression, as `qubo_dnn.compression.report.result` gives them."""
    before, after, budget = result["reference"], result["compressed"], result["budget"]
    size = after["bytes"] / before["bytes"]
    rows = [
        ("test accuracy", _percent(before["accuracy"]), _percent(after["accuracy"])),
        ("test loss", _number(before["loss"]), _number(after["loss"])),
        ("file bytes", f"{before['bytes']:,}", f"{after['bytes']:,} ({size:.3f} of it)"),
        ("stored bits per weight", "32", _number(after["bits_per_weight"])),
        ("weights pruned", "0.0 %", _percent(after["pruned_fraction"])),
        ("calibration loss increase", None, _number(result["calibration_loss_increase"])),
        ("predicted loss increase", None, _number(result["predicted_loss_increase"])),
    ]
    print_table((result["network"], "reference", "compressed"), rows)
    unit = {"bits": "bits per weight", "fraction": "of the fp32 weights", "bytes": "bytes of weights"}[budget["kind"]]
    lines = [
        f"budget: {budget['used']:.6g} of {budget['limit']:.6g} {unit}",
        f"solved by {result['backend']} with seed {result['seed']}: {result['variables']:,} variables, "
        f"{result['interactions']:,} interactions, {result['rounds']} rounds"
        + (", interrupted" if result["interrupted"] else ""),
        "seconds: " + ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in result["seconds"].items()),
        *(
            f"left alone: {skipped['name']} ({skipped['type']}): {skipped['reason']}"
            for skipped in result["left_alone"]
        ),
    ]
    if before["accuracy"] is not None and before["accuracy"] - after["accuracy"] > COLLAPSE:
        lines.append(f"warning: the accuracy fell by {_percent(before['accuracy'] - after['accuracy'])}")
    typer.echo("\n" + "\n".join([*lines, f"written to {out}"]))


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.2f} %"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"

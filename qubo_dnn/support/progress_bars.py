"""Live progress bars with the remaining time, drawn by rich."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TimeElapsedColumn
from rich.text import Text

_BAR = 20
_MINUTE, _HOUR = 60, 3600


def duration(seconds: float) -> str:
    """Write seconds as a clock does.

    Example:
        >>> duration(7.4), duration(754.0), duration(7541.0)
        ('0:07', '12:34', '2:05:41')
    """
    whole = round(seconds)
    minutes = f"{whole % _HOUR // _MINUTE:02d}" if whole >= _HOUR else f"{whole // _MINUTE}"
    return f"{whole // _HOUR}:" * (whole >= _HOUR) + f"{minutes}:{whole % _MINUTE:02d}"


class ProgressBars(Progress):
    """One bar for each stage, on stderr; one that only has a time limit moves by the clock.

    The fields of a task are `note`, a text beside the bar; `ends`, when it will be finished on the clock of
    `time.perf_counter`, or None; and `limit`, the seconds after which it ends at the latest, or None.

    Example:
        >>> bars = ProgressBars()
        >>> task = bars.begin("measure", limit=None)
        >>> bars.steps(task, 1, 2, ends=None)
        >>> bars.finish(task)
        >>> bars.finished
        True
    """

    def __init__(self) -> None:
        # Names and notes are no markup.
        console = Console(stderr=True, markup=False, emoji=False, highlight=False)
        super().__init__(_Name(), BarColumn(_BAR), TimeElapsedColumn(), _Remaining(), _Note(), console=console)

    def begin(self, name: str, limit: float | None) -> TaskID:
        """Add a bar, and return its task."""
        ends = None if limit is None else time.perf_counter() + limit
        return self.add_task(name, total=None, note="", ends=ends, limit=limit)

    def steps(self, task: TaskID, done: int, total: int | None, ends: float | None) -> None:
        """Show steps; a bar of an unknown total moves to and fro."""
        # Of `update`, a total of None would mean the one before.
        with self._lock:
            shown = self._tasks[task]
            shown.completed, shown.total, shown.fields["ends"] = done, total, ends

    def finish(self, task: TaskID) -> None:
        """Fill a bar."""
        self.update(task, completed=1, total=1, ends=None, limit=None)

    def get_renderables(self) -> Iterable[RenderableType]:
        """See `rich.progress.Progress`; called for every refresh."""
        for task in self.tasks:
            if task.fields["limit"] is not None and task.elapsed is not None:
                task.total, task.completed = task.fields["limit"], min(task.elapsed, task.fields["limit"])
        return super().get_renderables()


class _Name(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(task.description, no_wrap=True)


class _Remaining(ProgressColumn):
    def render(self, task: Task) -> Text:
        ends = task.fields["ends"]
        return Text("" if ends is None else f"{duration(max(0.0, ends - time.perf_counter()))} left", no_wrap=True)


class _Note(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(task.fields["note"], no_wrap=True, overflow="ellipsis")

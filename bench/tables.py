"""Rows as Markdown: means over the seeds, with the range."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """How rows of a part are shown.

    Attributes:
        title: of the part.
        note: what it compares, and what the figures are.
        headings: of the columns.
        cells: a row as text, one for every column.
    """

    title: str
    note: str
    headings: tuple[str, ...]
    cells: Callable[[Row], Sequence[str]]

    def markdown(self, rows: Iterable[Row]) -> str:
        """Headings and rows."""
        lines = [self.headings, ["---"] * len(self.headings), *map(self.cells, rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def line(self, row: Row) -> str:
        """One row alone."""
        return self.markdown([row]).splitlines()[-1]


def with_range(values: Sequence[float], form: str) -> str:
    """Mean, least and largest.

    Args:
        values: at least one.
        form: of a number, such as ".3f".
    """
    mean, least, most = (f"{value:{form}}" for value in (statistics.fmean(values), min(values), max(values)))
    return f"{mean} ({least} to {most})" if len(values) > 1 else mean

"""Markdown tables: columns are described once, rows are printed and kept as they come."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from qubo_dnn.cli.common.output import write_json

Row = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Table:
    """How rows are shown.

    Attributes:
        headings: of the columns, separated by " | ".
        cells: of a row, in the same order: a template over its fields, separated like the headings, or a function from
            a row to texts.
        title, note: of the section of a page that has the table.

    Example:
        >>> table = Table("solver | gap, % | s", "{solver} | {gap:.1%} | {seconds:.2f}")
        >>> print(table.markdown([{"solver": "pt", "gap": 0.02, "seconds": 0.25}]))
        | solver | gap, % | s |
        |---|---|---|
        | pt | 2.0% | 0.25 |
    """

    headings: str
    cells: str | Callable[[Any], Sequence[str]]
    title: str = ""
    note: str = ""

    @property
    def header(self) -> str:
        """The first two lines."""
        return header(self.headings.split(" | "))

    def line(self, row: Any) -> str:
        """A row, a mapping or a dataclass, as a line."""
        return line([self.cells.format_map(_fields(row))] if isinstance(self.cells, str) else self.cells(row))

    def markdown(self, rows: Iterable[Any]) -> str:
        """Header and rows."""
        return "\n".join([self.header, *map(self.line, rows)])

    def section(self, rows: Iterable[Any]) -> str:
        """Title, note and table."""
        return f"## {self.title}\n\n{self.note}\n\n{self.markdown(rows)}\n"

    def print(self, rows: Iterable[T], path: Path | None = None) -> list[T]:
        """Print rows as they come, and keep them in a JSON file.

        Args:
            rows: mappings or dataclasses; a generator is run row by row.
            path: written after every row, so that what was measured is kept when a later row fails; None for no file.

        Returns:
            All rows.

        Raises:
            OutputError: the file cannot be written.
        """
        found: list[T] = []
        print(self.header, flush=True)
        for row in rows:
            found.append(row)
            print(self.line(row), flush=True)
            if path is not None:
                write_json(path, [_plain(each) for each in found])
        return found


def header(headings: Sequence[str]) -> str:
    """The first two lines of a table."""
    return f"{line(headings)}\n|{'---|' * len(headings)}"


def line(cells: Iterable[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def grouped(rows: Iterable[T], *names: str) -> dict[tuple[Any, ...], list[T]]:
    """The rows by the values of some of their fields; both in the order they first occur in.

    Example:
        >>> grouped([Table("a", ""), Table("b", ""), Table("a", "", "c")], "headings").keys()
        dict_keys([('a',), ('b',)])
    """
    found: dict[tuple[Any, ...], list[T]] = {}
    for row in rows:
        found.setdefault(tuple(_fields(row)[name] for name in names), []).append(row)
    return found


def _plain(row: Any) -> Any:
    return asdict(row) if is_dataclass(row) and not isinstance(row, type) else row


def _fields(row: Any) -> Mapping[str, Any]:
    return row if isinstance(row, Mapping) else vars(row)


def with_range(values: Sequence[float], form: str) -> str:
    """Mean, least and largest; of one value the value alone.

    Args:
        values: at least one.
        form: of a number, such as ".3f".

    Example:
        >>> with_range([1.0, 2.0], ".1f")
        '1.5 (1.0 to 2.0)'
    """
    mean, least, most = (f"{value:{form}}" for value in (statistics.fmean(values), min(values), max(values)))
    return f"{mean} ({least} to {most})" if len(values) > 1 else mean


def percent_with_range(shares: Sequence[float | None]) -> str:
    """Mean and range in percent of the shares that are known, and how many these are where not all are.

    Example:
        >>> percent_with_range([0.5, None, 0.25]), percent_with_range([None]), percent_with_range([])
        ('37.5 (25.0 to 50.0), 2 of 3', 'none', '')
    """
    known = [100 * share for share in shares if share is not None]
    if not known:
        return "none" if shares else ""
    text = with_range(known, ".1f")
    return text if len(known) == len(shares) else f"{text}, {len(known)} of {len(shares)}"

"""Rows as a Markdown table: mean over the seeds, with the range."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import product

from bench.compression.comparison.rows import MethodRow
from bench.tables import Table, grouped, with_range


def table(rows: Sequence[MethodRow]) -> str:
    """A Markdown table; situations and methods in the order they first occur in, budgets ascending."""
    groups = grouped(rows, "situation", "budget", "method")
    situations, budgets, methods = (dict.fromkeys(values) for values in zip(*groups, strict=True))
    order = product(situations, sorted(budgets), methods)
    return _TABLE.markdown(groups[key] for key in order if key in groups)


def _cells(same: Sequence[MethodRow]) -> tuple[str, ...]:
    """The rows of all seeds as one."""
    return (
        *(same[0].situation, f"{same[0].budget:g}", same[0].method),
        f"{statistics.fmean(row.stored_bits for row in same):.3f}",
        with_range([100 * row.accuracy for row in same], ".2f"),
        with_range([row.held_out_divergence for row in same], ".4f"),
        f"{statistics.fmean(row.measure_seconds for row in same):.1f}",
        f"{statistics.fmean(row.solve_seconds for row in same):.1f}",
    )


_TABLE = Table(
    "situation | budget | method | stored bits | test accuracy, % | held-out divergence, nats | measure, s | solve, s",
    _cells,
)

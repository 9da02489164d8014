"""Rows as a Markdown table: mean over the seeds, with the range."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bench.compression.comparison.rows import MethodRow

_HEADER = (
    "situation",
    "budget",
    "method",
    "stored bits",
    "test accuracy, %",
    "held-out divergence, nats",
    "measure, s",
    "solve, s",
)


def table(rows: Sequence[MethodRow]) -> str:
    """A Markdown table; situations and methods in the order they first occur in, budgets ascending."""
    lines = [f"| {' | '.join(_HEADER)} |", "|---" * len(_HEADER) + "|"]
    situations, methods = (list(dict.fromkeys(getattr(row, name) for row in rows)) for name in ("situation", "method"))
    for situation in situations:
        for budget in sorted({row.budget for row in rows}):
            for method in methods:
                same = [row for row in rows if (row.situation, row.budget, row.method) == (situation, budget, method)]
                if same:
                    lines.append(f"| {' | '.join((situation, f'{budget:g}', method, *_figures(same)))} |")
    return "\n".join(lines)


def _figures(rows: Sequence[MethodRow]) -> tuple[str, ...]:
    def mean(name: str) -> float:
        return statistics.fmean(getattr(row, name) for row in rows)

    return (
        f"{mean('stored_bits'):.3f}",
        _with_range([100 * row.accuracy for row in rows], 2),
        _with_range([row.held_out_divergence for row in rows], 4),
        f"{mean('measure_seconds'):.1f}",
        f"{mean('solve_seconds'):.1f}",
    )


def _with_range(values: Sequence[float], decimals: int) -> str:
    mean = f"{statistics.fmean(values):.{decimals}f}"
    return f"{mean} ({min(values):.{decimals}f} to {max(values):.{decimals}f})" if len(values) > 1 else mean

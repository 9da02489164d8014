"""Print the figures of a sweep as a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from qubo_dnn.cli.common.output import print_lines, print_table

if TYPE_CHECKING:
    from qubo_dnn.compression.sweep.points import SweepPoint
    from qubo_dnn.compression.sweep.record import SweepRecord

_BYTES = "bytes"


def print_sweep(record: SweepRecord, out: Path) -> None:
    """Print all points of a sweep, its baselines, and what there is to say about them."""
    own = [] if record.unit == _BYTES else [record.unit]
    metric = [f"test {record.about['metric']}"] if record.about.get("metric") else []
    columns = ("point", "budget", *own, "file bytes", "bits per weight", "MACs", "test accuracy", *metric)
    rows = []
    for curve, points in (("", record.points), *record.baselines.items()):
        for number, point in sorted(points.items()):
            cost = [_number(point.cost)] if own else []
            sizes = _whole(point.bytes), _number(point.bits_per_weight), _whole(point.macs)
            value = [_number(point.metric)] if metric else []
            marks = "" if curve else _marks(record, point)
            quality = _percent(point.accuracy), *value, _small(point.divergence)
            rows.append((curve or number, point.budget, *cost, *sizes, *quality, marks))
    print_table((*columns, "held-out divergence", ""), rows)
    print_lines("", *_remarks(record), f"written to {out}")


def _marks(record: SweepRecord, point: SweepPoint) -> str:
    if point.number == record.knee:
        return "knee"
    if point.number in record.front:
        return "front"
    return "" if point.is_met else "no plan"


def _remarks(record: SweepRecord) -> Iterator[str]:
    before = record.reference
    accuracy = "" if before.get("accuracy") is None else f", test accuracy {_percent(before['accuracy'])}"
    yield f"reference: {before['bytes']:,} bytes{accuracy}"
    for number, point in sorted(record.points.items()):
        if point.reason is not None:
            yield f"point {number}, {point.budget}: {point.reason}"
    shared = list[str]()
    for number, point in sorted(record.points.items()):
        for text in point.warnings:
            if sum(text in other.warnings for other in record.points.values()) == 1:
                yield f"warning: point {number}, {point.budget}: {text}"
            elif text not in shared:
                shared.append(text)
                yield f"warning: {text}"
    spent = sum(point.seconds or 0.0 for points in _curves(record) for point in points)
    yield "seconds: " + ", ".join(
        [*(f"{stage} {seconds:.1f}" for stage, seconds in record.seconds.items()), f"points {spent:.1f}"]
    )
    if record.interrupted:
        done = f"{len(record.points)} of {len(record.budgets)} points are done and kept"
        yield f"{done}; the same command goes on with the others" + ("" if not record.is_complete else " (baselines)")


def _curves(record: SweepRecord) -> list[list[SweepPoint]]:
    return [list(points.values()) for points in (record.points, *record.baselines.values())]


def _whole(value: int | None) -> str | None:
    return None if value is None else f"{value:,}"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:,.6g}"


def _small(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.2f} %"

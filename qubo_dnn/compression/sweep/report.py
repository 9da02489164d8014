"""The page about a sweep. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qubo_dnn.compression.sweep.picture import accuracy_picture, sweep_picture
from qubo_dnn.compression.sweep.points import SweepPoint
from qubo_dnn.compression.sweep.record import SweepRecord
from qubo_dnn.reports.charts import chart
from qubo_dnn.reports.page import Chart, Page, Section, Table
from qubo_dnn.reports.reproduction import reproduction
from qubo_dnn.reports.text import percent
from qubo_dnn.reports.writer import write_page

# Whose versions can change a result.
_PACKAGES = ("torch", "torch-pruning")
_BYTES = "bytes"


def write_sweep_report(path: Path, record: SweepRecord, title: str = "Sweep", command: Sequence[str] = ()) -> None:
    """Write a page about a sweep: its curves, points, front and knee.

    Args:
        path: path of the file.
        record: all figures, finished or not.
        title: title of the page.
        command: words of the command line, if there was one.

    Raises:
        MissingExtraError: the extra `report` is not installed.
        OutputError: the page cannot be written.

    Example:
        >>> import tempfile
        >>> record = SweepRecord(settings={"seed": "0"}, unit="bytes", budgets=["2bits"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_sweep_report(Path(folder, "page.html"), record)
        ...     "0 of 1 budgets" in Path(folder, "page.html").read_text()
        True
    """
    write_page(path, sweep_page(record, title, command))


def sweep_page(record: SweepRecord, title: str = "Sweep", command: Sequence[str] = ()) -> Page:
    """Return the page about a sweep; see `write_sweep_report` for the arguments.

    Example:
        >>> record = SweepRecord(settings={}, unit="bytes", budgets=["2bits"])
        >>> record.points[1] = SweepPoint(number=1, budget="2bits", cost=900.0, divergence=0.3)
        >>> page = sweep_page(record)
        >>> page.verdict, [section.name for section in page.sections][:2]
        ('1 of 1 budgets have a plan', ['curves', 'points'])
    """
    points = [point for _, point in sorted(record.points.items())]
    met = [point for point in points if point.is_met]
    absent: dict[str, str] = {}
    curves: list[Table | Chart] = []
    if met:
        curves.append(chart(sweep_picture(record)))
    else:
        absent["curves"] = "no point has a plan"
    if any(point.accuracy is not None for point in met):
        curves.append(chart(accuracy_picture(record)))
    else:
        absent["accuracy"] = "there were no test images with labels"
    if record.knee is None:
        absent["the knee"] = "the front has fewer than three points, or none below the chord of its ends"
    verdict = f"{len(met)} of {len(record.budgets)} budgets have a plan"
    if record.knee is not None:
        verdict += f"; the knee is at {record.points[record.knee].budget}"
    asked = {name: value for name, value in record.about.items() if value not in (None, [], {})}
    baselines = [_points(record, list(curve.values()), f"Baseline: {name}") for name, curve in record.baselines.items()]
    return Page(
        title,
        verdict,
        [
            Section("curves", "Curves", curves),
            Section("points", "Points", [*([_points(record, points, "Points")] if points else []), *baselines]),
            Section("asked", "What was asked", [_asked(asked), *_reference(record.reference), _settings(record)]),
            Section("time", "Time", [_seconds(record)] if record.seconds else []),
            reproduction(command, _PACKAGES),
        ],
        notices=list(_notices(record)),
        absent=absent,
    )


def _points(record: SweepRecord, points: Sequence[SweepPoint], caption: str) -> Table:
    own = [] if record.unit == _BYTES else [record.unit]
    metric = [f"test {record.about['metric']}"] if record.about.get("metric") else []
    columns = ("point", "budget", *own, "file bytes", "bits per weight", "MACs", "test accuracy", *metric)
    rows = [
        (
            *(str(point.number), point.budget, *([point.cost] if own else [])),
            *(point.bytes, point.bits_per_weight, point.macs, percent(point.accuracy)),
            *([point.metric] if metric else []),
            *(point.divergence, _mark(record, point) if caption == "Points" else point.reason or ""),
        )
        for point in points
    ]
    return Table(caption, rows, (*columns, "held-out divergence", "mark"))


def _mark(record: SweepRecord, point: SweepPoint) -> str:
    if point.reason is not None:
        return f"no plan: {point.reason}"
    if point.number == record.knee:
        return "knee"
    return "front" if point.number in record.front else ""


def _asked(asked: Mapping[str, Any]) -> Table:
    return Table("What was asked", [(name.replace("_", " "), value) for name, value in asked.items()])


def _settings(record: SweepRecord) -> Table:
    return Table("All settings", list(record.settings.items()), folded=True)


def _reference(reference: Mapping[str, Any]) -> list[Table]:
    known = [(name.replace("_", " "), value) for name, value in reference.items() if value is not None]
    return [Table("The given network", known)] if known else []


def _seconds(record: SweepRecord) -> Table:
    spent = [(f"point {number}", point.seconds) for number, point in sorted(record.points.items())]
    rows = [*record.seconds.items(), *((name, seconds) for name, seconds in spent if seconds is not None)]
    return Table("Seconds: what all points share, and every point", rows)


def _notices(record: SweepRecord) -> Iterator[str]:
    if not record.is_complete:
        begun = "was interrupted" if record.interrupted else "is not finished"
        yield f"The sweep {begun}: {len(record.points)} of {len(record.budgets)} budgets are done."
    elif record.interrupted:
        yield "The sweep was interrupted before all baselines were complete."
    for text in dict.fromkeys(text for point in record.points.values() for text in point.warnings):
        yield f"Warning: {text}"

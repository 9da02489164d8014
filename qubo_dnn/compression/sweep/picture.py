"""The picture of a sweep. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterable

from qubo_dnn.compression.sweep.points import SweepPoint
from qubo_dnn.compression.sweep.record import SweepRecord
from qubo_dnn.pictures.picture import Picture, Series


def sweep_picture(record: SweepRecord) -> Picture:
    """Draw held-out divergence, on a logarithmic axis, over cost.

    Example:
        >>> record = SweepRecord(settings={}, unit="bytes", budgets=["2bits"])
        >>> record.points[1] = SweepPoint(number=1, budget="2bits", cost=900, divergence=0.3)
        >>> picture = sweep_picture(record)
        >>> picture.x, [series.name for series in picture.series]
        ('bytes', ['points'])
    """
    points = [point for _, point in sorted(record.points.items()) if point.is_met]
    front = [point for point in points if point.number in record.front]
    series = [_line("points", points)]
    if len(front) < len(points):
        series.append(_line("Pareto front", front))
    if record.knee is not None:
        found = record.points[record.knee]
        series.append(Series("knee", *_places([found]), kind="points", texts=[found.budget], ring=True))
    for name, curve in record.baselines.items():
        series.append(_line(name, [point for _, point in sorted(curve.items()) if point.is_met]))
    return Picture(
        name="sweep",
        title="Divergence over cost",
        x=record.unit,
        y="divergence on held-out images",
        series=[each for each in series if each.x],
        log_y=True,
        note="Lower is better; the knee is the point of the front that is farthest below the chord of its ends.",
    )


def accuracy_picture(record: SweepRecord) -> Picture:
    """Draw test accuracy over cost, of the points and baselines that have one.

    Example:
        >>> record = SweepRecord(settings={}, unit="bytes", budgets=["2bits"])
        >>> record.points[1] = SweepPoint(number=1, budget="2bits", cost=900, divergence=0.3, accuracy=0.9)
        >>> accuracy_picture(record).series[0].y
        [90.0]
    """
    curves = {"points": record.points, **record.baselines}
    series = []
    for name, curve in curves.items():
        known = sorted(
            (point for point in curve.values() if point.is_met and point.accuracy is not None),
            key=lambda point: point.cost or 0.0,
        )
        heights = [100.0 * (point.accuracy or 0.0) for point in known]
        series.append(Series(name, [point.cost for point in known], heights, texts=[each.budget for each in known]))
    return Picture(
        name="accuracy",
        title="Test accuracy over cost",
        x=record.unit,
        y="test accuracy, %",
        series=[each for each in series if each.x],
        note="Test images are for this figure alone; held-out images choose.",
    )


def _line(name: str, points: Iterable[SweepPoint]) -> Series:
    ordered = sorted(points, key=lambda point: (point.cost or 0.0, -(point.divergence or 0.0)))
    return Series(name, *_places(ordered), texts=[point.budget for point in ordered])


def _places(points: Iterable[SweepPoint]) -> tuple[list[float | None], list[float | None]]:
    listed = list(points)
    # Nothing is lost at all where the divergence is 0, which a logarithmic axis cannot show.
    return [point.cost for point in listed], [point.divergence or None for point in listed]

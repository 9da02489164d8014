"""The Pareto front, the knee, and points as plain data."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest

from qubo_dnn.compression.sweep.picture import sweep_picture
from qubo_dnn.compression.sweep.points import SweepPoint, knee, pareto_front
from qubo_dnn.compression.sweep.record import SweepRecord
from qubo_dnn.errors import FileFormatError, OptionError


def points(*figures: tuple[float, float] | None) -> list[SweepPoint]:
    """Points of cost and divergence; None: no plan."""
    return [
        SweepPoint(number=n, budget=f"{n}bits", reason="too little")
        if each is None
        else SweepPoint(number=n, budget=f"{n}bits", cost=each[0], divergence=each[1], bytes=int(each[0]))
        for n, each in enumerate(figures, 1)
    ]


def test_the_front_is_what_no_other_point_beats() -> None:
    given = points(None, (10, 5.0), (20, 1.0), (20, 2.0), (30, 1.0), (15, 6.0), (40, 0.5))
    assert pareto_front(given) == (2, 3, 7)
    for order in permutations(given[:5]):
        assert pareto_front([*order, *given[5:]]) == (2, 3, 7)
    assert pareto_front(points(None)) == ()
    assert pareto_front(points((10, 1.0), (10, 1.0))) == (1,)


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ([(0, 10.0), (1, 2.0), (2, 1.5), (10, 0.0)], 2),
        ([(0, 10.0), (5, 4.0), (6, 1.0), (10, 0.0)], 3),
        # In other units of either axis it is the same.
        ([(1000, 0.010), (1100, 0.002), (1200, 0.0015), (2000, 0.0)], 2),
        # Beside the front, above the chord, on the chord.
        ([(0, 10.0), (1, 2.0), (1.5, 3.0), (10, 0.0)], 2),
        ([(0, 10.0), (5, 8.0), (10, 0.0)], None),
        ([(0, 10.0), (5, 5.0), (10, 0.0)], None),
        ([(0, 10.0), (10, 0.0)], None),
        ([], None),
    ],
)
def test_the_knee_is_farthest_below_the_chord(figures: list[tuple[float, float]], expected: int | None) -> None:
    assert knee(points(*figures)) == expected


def test_points_survive_files() -> None:
    (point,) = points((10, 0.5))
    full = SweepPoint(number=2, budget="latency=3", cost=3, divergence=0.0, macs=7, warnings=("one", "two"))
    for each in (point, full, *points(None)):
        assert SweepPoint.from_dict(json.loads(json.dumps(each.to_dict()))) == each


@pytest.mark.parametrize(
    "changes",
    [
        {"number": "1"},
        {"number": True},
        {"cost": "x"},
        {"cost": None},
        {"divergence": None},
        {"bytes": 1.5},
        {"budget": None},
        {"warnings": None},
        {"warnings": [1]},
    ],
)
def test_damaged_points_are_refused(changes: dict[str, Any]) -> None:
    (point,) = points((10, 0.5))
    with pytest.raises(FileFormatError, match=r"sweep\.json: damaged"):
        SweepPoint.from_dict(point.to_dict() | changes, "sweep.json")
    with pytest.raises(FileFormatError, match="damaged"):
        SweepPoint.from_dict([])


def record(*figures: tuple[float, float] | None) -> SweepRecord:
    given = points(*figures)
    made = SweepRecord(
        settings={"seed": "0"}, about={"network": "zoo:x"}, unit="bytes", budgets=[each.budget for each in given]
    )
    made.points |= {each.number: each for each in given}
    return made


def test_a_record_survives_files_and_marks_front_and_knee() -> None:
    made = record(None, (10, 5.0), (20, 1.0), (21, 2.0), (90, 0.9))
    made.baselines["uniform"] = {1: points((30, 0.9))[0]}
    data = json.loads(json.dumps(made.to_dict()))
    assert [each["front"] for each in data["points"]] == [False, True, True, False, True]
    assert [each["knee"] for each in data["points"]] == [False, False, True, False, False]
    assert (data["complete"], data["network"]) == (True, "zoo:x")
    assert SweepRecord.from_dict(data) == made
    for spoilt in ({"points": 3}, {"settings": None}, {"version": 2}, {"format": "x"}, {"seconds": {"a": "b"}}):
        with pytest.raises(FileFormatError):
            SweepRecord.from_dict(data | spoilt)
    with pytest.raises(FileFormatError, match="lacks entries"):
        SweepRecord.from_dict({name: value for name, value in data.items() if name != "unit"})


def test_points_are_asked_for_by_number_or_as_the_knee() -> None:
    made = record(None, (10, 5.0), (20, 1.0), (90, 0.9))
    assert made.point("2").budget == "2bits"
    assert made.point(4).budget == "4bits"
    assert made.point("knee").number == 3
    with pytest.raises(OptionError, match="point 1 has no plan: too little; points with a plan: 2, 3, 4"):
        made.point("1")
    for asked in ("0", "5", "-1", "x", "", "²"):
        with pytest.raises(OptionError, match="there is no point"):
            made.point(asked)
    with pytest.raises(OptionError, match="the front has no knee; points with a plan: 1"):
        record((10, 1.0)).point("knee")


def test_the_picture_has_all_curves() -> None:
    made = record(None, (10, 5.0), (20, 1.0), (21, 2.0), (90, 0.0))
    made.baselines["uniform"] = {1: points((30, 0.9))[0]}
    picture = sweep_picture(made)
    series = {each.name: each for each in picture.series}
    assert set(series) == {"points", "Pareto front", "knee", "uniform"}
    assert series["points"].x == [10, 20, 21, 90]
    # A logarithmic axis cannot show 0.
    assert series["points"].y == [5.0, 1.0, 2.0, None]
    assert series["Pareto front"].x == [10, 20, 90]
    assert series["knee"].texts == ["3bits"]
    assert (picture.x, picture.log_y) == ("bytes", True)

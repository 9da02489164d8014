"""The record of a sweep, as the file sweep.json. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from qubo_dnn.compression.sweep.points import SweepPoint, knee, pareto_front
from qubo_dnn.errors import FileFormatError, OptionError
from qubo_dnn.files.common.output import write_atomically

SWEEP, POINTS, PICTURE = "sweep.json", "points", "sweep.svg"
KNEE = "knee"
_FORMAT, _VERSION = "qubo-dnn sweep", 1


@dataclass(kw_only=True)
class SweepRecord:
    """All figures of a sweep, finished or not.

    Attributes:
        settings: name -> value, as words, of everything that the points depend on.
        about: further entries, such as the name of the network.
        unit: unit of the costs in words.
        budgets: the budgets as written, ascending; empty before the network is known.
        points: the finished points, by number.
        baselines: name of a curve -> its points, by number.
        baselines_done: True if all curves that were asked for are complete.
        reference: figures of the given network, see `qubo_dnn.compression.result.result`.
        seconds: stage -> wall-clock seconds of what all points share.
        interrupted: True if Ctrl-C ended the last run.

    Example:
        >>> record = SweepRecord(settings={"seed": "0"}, budgets=["2bits", "3bits"])
        >>> record.points[1] = SweepPoint(number=1, budget="2bits", cost=900.0, divergence=0.3)
        >>> record.is_complete, record.front, SweepRecord.from_dict(record.to_dict()).points == record.points
        (False, (1,), True)
    """

    settings: dict[str, str]
    about: dict[str, Any] = field(default_factory=dict)
    unit: str = ""
    budgets: list[str] = field(default_factory=list)
    points: dict[int, SweepPoint] = field(default_factory=dict)
    baselines: dict[str, dict[int, SweepPoint]] = field(default_factory=dict)
    baselines_done: bool = False
    reference: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def is_complete(self) -> bool:
        """True if no budget is left to run."""
        return bool(self.budgets) and len(self.points) == len(self.budgets)

    @property
    def front(self) -> tuple[int, ...]:
        """Numbers of the points of the Pareto front, see `pareto_front`."""
        return pareto_front(list(self.points.values()))

    @property
    def knee(self) -> int | None:
        """Number of the knee, see `qubo_dnn.compression.sweep.points.knee`."""
        return knee(list(self.points.values()))

    def point(self, asked: str | int) -> SweepPoint:
        """Return a point with a plan.

        Args:
            asked: its number, as a text too, or "knee".

        Raises:
            OptionError: there is no such point, or it has no plan; the message says which ones have.
        """
        met = [number for number, each in self.points.items() if each.is_met]
        listed = f"points with a plan: {', '.join(map(str, met)) or 'none'}"
        if asked == KNEE:
            if self.knee is None:
                raise OptionError(f"the front has no knee; {listed}")
            return self.points[self.knee]
        number = int(asked) if isinstance(asked, int) or (asked.isascii() and asked.isdecimal()) else 0
        found = self.points.get(number)
        if found is None:
            raise OptionError(f"there is no point {str(asked)!r}; {listed}")
        if not found.is_met:
            raise OptionError(f"point {number} has no plan: {found.reason}; {listed}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain data; points say whether they are on the front, and which one is the knee."""
        front, bend = self.front, self.knee
        return {
            "format": _FORMAT,
            "version": _VERSION,
            **self.about,
            "unit": self.unit,
            "reference": self.reference,
            "budgets": self.budgets,
            "points": [
                {**each.to_dict(), "front": each.number in front, "knee": each.number == bend}
                for _, each in sorted(self.points.items())
            ],
            "baselines": {
                name: [each.to_dict() for _, each in sorted(curve.items())] for name, curve in self.baselines.items()
            },
            "baselines_done": self.baselines_done,
            "complete": self.is_complete,
            "interrupted": self.interrupted,
            "seconds": self.seconds,
            "settings": self.settings,
        }

    @classmethod
    def from_dict(cls, data: Any, source: str = "sweep") -> SweepRecord:
        """Read the output of `to_dict`.

        Raises:
            FileFormatError: `data` is not a sweep, of another version, or damaged; the message names `source`.
        """
        if not isinstance(data, dict) or data.get("format") != _FORMAT:
            raise FileFormatError(f"{source}: is not a sweep")
        if data.get("version") != _VERSION:
            raise FileFormatError(
                f"{source}: a sweep of version {data.get('version')!r}; this release reads {_VERSION}"
            )
        try:
            return cls(
                settings={str(name): str(value) for name, value in data["settings"].items()},
                about={name: value for name, value in data.items() if name not in _ENTRIES},
                unit=str(data["unit"]),
                budgets=[str(text) for text in data["budgets"]],
                points=_by_number(data["points"], source),
                baselines={str(name): _by_number(curve, source) for name, curve in data["baselines"].items()},
                baselines_done=bool(data["baselines_done"]),
                reference=dict(data["reference"]),
                seconds={str(stage): float(seconds) for stage, seconds in data["seconds"].items()},
                interrupted=bool(data["interrupted"]),
            )
        except FileFormatError:
            raise
        except (KeyError, AttributeError, TypeError, ValueError) as cause:
            raise FileFormatError(f"{source}: damaged: it lacks entries of a sweep") from cause


_ENTRIES = {"format", "version", "complete", *(each.name for each in fields(SweepRecord))} - {"about"}


def _by_number(entries: Any, source: str) -> dict[int, SweepPoint]:
    points = [SweepPoint.from_dict(entry, source) for entry in entries]
    return {point.number: point for point in points}


def read_sweep(folder: Path) -> SweepRecord:
    """Read the record of a sweep.

    Args:
        folder: that `qubo-dnn sweep` or `Sweep.save` has written.

    Raises:
        FileFormatError: it is not the folder of a sweep, or sweep.json is damaged.

    Example:
        >>> read_sweep(Path("no such folder"))
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.FileFormatError: no such folder: not the folder of a sweep: it has no sweep.json
    """
    path = folder / SWEEP
    if not path.is_file():
        raise FileFormatError(f"{folder}: not the folder of a sweep: it has no {SWEEP}")
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as cause:
        raise FileFormatError(f"{path}: cannot be read as JSON ({cause})") from cause
    return SweepRecord.from_dict(data, str(path))


def write_sweep(folder: Path, record: SweepRecord) -> None:
    """Write sweep.json atomically.

    Raises:
        OutputError: it cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_sweep(Path(folder), SweepRecord(settings={"seed": "0"}))
        ...     read_sweep(Path(folder)).settings
        {'seed': '0'}
    """
    write_atomically(folder / SWEEP, (json.dumps(record.to_dict(), indent=2) + "\n").encode())


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """Return the names of settings that are not equal.

    Example:
        >>> differences({"seed": "0", "rounds": "2"}, {"seed": "1", "rounds": "2"})
        ['seed']
    """
    return [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]

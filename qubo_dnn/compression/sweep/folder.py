"""The folder of a sweep: its record, and every point as the folder of a compression."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qubo_dnn.compression.result import PLAN
from qubo_dnn.compression.sweep.record import PICTURE, POINTS, SWEEP, SweepRecord, differences, read_sweep, write_sweep
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.errors import OutputError, OutputExistsError


@dataclass(frozen=True)
class SweepFolder:
    """The output folder of a sweep: sweep.json, and points/1, points/2, ... as `compress` writes them.

    Attributes:
        path: the folder.
        overwrite: True: a sweep that is there is replaced; False: it goes on.

    Example:
        >>> SweepFolder(Path("out")).point(3).as_posix()
        'out/points/3'
    """

    path: Path
    overwrite: bool = False

    def point(self, number: int) -> Path:
        """Return the folder of a point."""
        return self.path / POINTS / str(number)

    def plan(self, number: int) -> Plan:
        """Read the plan of a point.

        Raises:
            FileFormatError: it cannot be read.
        """
        return Plan.load(self.point(number) / PLAN)

    def check(self) -> None:
        """Refuse a folder that cannot be made, or that holds anything but a sweep.

        Raises:
            OutputExistsError: it is a file, or a folder with other files.
            OutputError: it cannot be written.
            FileFormatError: its record is damaged, and it is not to be replaced.
        """
        try:
            within = list(self.path.iterdir()) if self.path.is_dir() else []
        except OSError as cause:
            raise OutputError(f"{self.path} cannot be written: {cause.strerror}") from cause
        if self.path.exists() and not self.path.is_dir():
            raise OutputExistsError(f"{self.path} is a file; choose another folder")
        foreign = [each for each in within if each.name not in (SWEEP, POINTS, PICTURE) and not _is_partial(each)]
        if foreign:
            raise OutputExistsError(f"{foreign[0]} is not the output of a sweep and is not overwritten")
        parent = next(each for each in self.path.resolve().parents if each.exists())
        if not (parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)):
            raise OutputError(f"{self.path} cannot be written: {parent} is not a folder one may write to")
        if not self.overwrite and (self.path / SWEEP).exists():
            read_sweep(self.path)

    def check_new(self) -> None:
        """Refuse a folder as `check` does, and one that holds a sweep which is not to be replaced.

        Raises:
            OutputExistsError: see above.
            OutputError: it cannot be written.
        """
        if not self.overwrite and (self.path / SWEEP).exists():
            raise OutputExistsError(f"{self.path} exists; choose another folder or overwrite it")
        self.check()

    def begin(self, settings: Mapping[str, str], about: Mapping[str, Any]) -> SweepRecord:
        """Return the record of the sweep that is there, or begin a new one.

        Args:
            settings: everything that the points depend on, as words.
            about: further entries of a new record.

        Raises:
            OutputExistsError: the sweep that is there has other settings, and is not to be replaced; see `check` too.
            OutputError: the folder cannot be written.
        """
        self.check()
        if not self.overwrite and (self.path / SWEEP).exists():
            known = read_sweep(self.path)
            if different := differences(settings, known.settings):
                raise OutputExistsError(
                    f"{self.path} holds a sweep that differs in {', '.join(different)}; choose another folder, or have "
                    "it replaced (--overwrite)"
                )
            for left in (self.path / POINTS).glob(".*"):
                shutil.rmtree(left, ignore_errors=True)
            return known
        record = SweepRecord(settings=dict(settings), about=dict(about))
        try:
            shutil.rmtree(self.path / POINTS, ignore_errors=True)
            (self.path / PICTURE).unlink(missing_ok=True)
            (self.path / POINTS).mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise OutputError(f"{self.path} cannot be written: {cause.strerror or cause}") from cause
        write_sweep(self.path, record)
        return record


def _is_partial(path: Path) -> bool:
    """Return whether a file was left by a run that was killed while it wrote its record or its picture."""
    return path.name.startswith((f".{SWEEP}.", f".{PICTURE}."))

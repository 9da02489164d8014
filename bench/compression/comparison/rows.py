"""Results, one row per situation, budget, method and seed, kept in a JSON file as they come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.results import resumed
from qubo_dnn.cli.common.output import write_json

Key = tuple[str, float, str, int]


@dataclass(frozen=True)
class MethodRow:
    """What one method reached.

    Attributes:
        situation: one of `situations.SITUATIONS`.
        budget: stored bits per weight that were allowed.
        method: its name.
        seed: of the calibration images and of the method.
        stored_bits: per weight, everything counted.
        accuracy: on the test images, 0 to 1.
        held_out_divergence: KL(network as it was || compressed) in nats, on calibration images not measured on.
        measure_seconds, solve_seconds: wall-clock.
        note: of the method.
    """

    situation: str
    budget: float
    method: str
    seed: int
    stored_bits: float
    accuracy: float
    held_out_divergence: float
    measure_seconds: float
    solve_seconds: float
    note: str = ""

    @property
    def key(self) -> Key:
        return self.situation, self.budget, self.method, self.seed


@dataclass
class _Kept:
    """The content of a file."""

    settings: dict[str, Any]
    rows: list[MethodRow] = field(default_factory=list)


class Rows:
    """Rows of one run's settings; those already in the file are not computed again.

    Args:
        settings: whatever decides the figures, as plain JSON data.
        path: file to keep them in, written after every row; None keeps them in memory.

    Raises:
        FileFormatError: the file holds something else, or rows of other settings.
    """

    def __init__(self, settings: Mapping[str, Any], path: Path | None = None) -> None:
        self._kept, self._path = resumed(path, _Kept, settings), path
        self.all = self._kept.rows

    def __contains__(self, key: Key) -> bool:
        return any(row.key == key for row in self.all)

    def add(self, row: MethodRow) -> None:
        """Keep a row.

        Raises:
            OutputError: the file cannot be written.
        """
        self.all.append(row)
        if self._path is not None:
            write_json(self._path, asdict(self._kept))

"""Results, one row per situation, budget, method and seed, kept in a JSON file as they come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qubo_dnn.cli.output import write_json
from qubo_dnn.errors import FileFormatError

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


class Rows:
    """Rows of one run's settings; those already in the file are not computed again.

    Args:
        settings: whatever decides the figures, as plain JSON data.
        path: file to keep them in, written after every row; None keeps them in memory.

    Raises:
        FileFormatError: the file holds something else, or rows of other settings.
    """

    def __init__(self, settings: Mapping[str, Any], path: Path | None = None) -> None:
        self.settings, self.path = dict(settings), path
        self.all: list[MethodRow] = []
        if path is not None and path.exists():
            try:
                kept = json.loads(path.read_text())
                found, self.all = kept["settings"], [MethodRow(**row) for row in kept["rows"]]
            except (OSError, ValueError, KeyError, TypeError) as cause:
                raise FileFormatError(f"{path}: holds no rows of this benchmark ({cause})") from cause
            if found != self.settings:
                other = [name for name in self.settings | found if found.get(name) != self.settings.get(name)]
                raise FileFormatError(f"{path}: holds rows of another run, with another {', '.join(sorted(other))}")

    def __contains__(self, key: Key) -> bool:
        return any(row.key == key for row in self.all)

    def add(self, row: MethodRow) -> None:
        """Keep a row.

        Raises:
            OutputError: the file cannot be written.
        """
        self.all.append(row)
        if self.path is not None:
            data = {"settings": self.settings, "rows": [asdict(row) for row in self.all]}
            write_json(self.path, data)

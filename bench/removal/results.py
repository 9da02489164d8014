"""Everything a run of the benchmark found, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, float, int]


@dataclass(frozen=True)
class RemovalRow:
    """A network without the channels that one method chose.

    Attributes:
        method: name.
        percent: of the multiply-accumulates of the whole network that may stay.
        seed: of the calibration images and of the method.
        macs: share of the multiply-accumulates that the smaller network has, measured; 1 at 100 %.
        kept: channels that stay in every group.
        accuracy, divergence: of the smaller network on the test images, 0 to 1, and in nats.
        held_out_divergence: on calibration images that were not measured on.
        seconds: CPU seconds of choosing; what methods share counts for the first one.
        latency: "torch, 1" for torch at batch 1, and so on -> median milliseconds of the given network and of the
            smaller one; empty if it was not timed.
    """

    method: str
    percent: float
    seed: int
    macs: float
    kept: tuple[int, ...]
    accuracy: float
    divergence: float
    held_out_divergence: float
    seconds: float
    latency: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.method, self.percent, self.seed


@dataclass
class RemovalResults:
    """All of it.

    Attributes:
        settings: whatever decides the figures.
        accuracy: of the network as given, on the test images; None before the first row.
        rows: as they came.
    """

    settings: dict[str, Any]
    accuracy: float | None = None
    rows: list[RemovalRow] = field(default_factory=list)

    def __contains__(self, key: Key) -> bool:
        return any(row.key == key for row in self.rows)

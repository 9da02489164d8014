"""What was found on the network, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, float, int]


@dataclass(frozen=True)
class Answer:
    """The channels that a method chose, and the smaller network without the others.

    Attributes:
        loss: separable loss of the choice, in nats.
        gap: of this loss, relative to the optimum.
        kept: channels that stay in every layer.
        macs: share of the multiply-accumulates that the smaller network has, measured; 1 at 100 %.
        accuracy, divergence: of the smaller network on the test images, 0 to 1, and from the network as given in nats.
        held_out_divergence: on calibration images that were not measured on.
    """

    loss: float
    gap: float
    kept: tuple[int, ...]
    macs: float
    accuracy: float
    divergence: float
    held_out_divergence: float


@dataclass(frozen=True)
class NetworkRow:
    """A method at a budget.

    Attributes:
        method: name.
        percent: of the multiply-accumulates that may stay.
        seed: of the split of the calibration images, of the measurement, and of the method.
        seconds: CPU seconds of choosing.
        answer: None if the method found nothing within the budget.
    """

    method: str
    percent: float
    seed: int
    seconds: float
    answer: Answer | None

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.method, self.percent, self.seed


@dataclass
class NetworkResults:
    """All of it.

    Attributes:
        settings: whatever decides the figures.
        accuracy: of the network as given, on the test images; None before the first row.
        rows: as they came.
    """

    settings: dict[str, Any]
    accuracy: float | None = None
    rows: list[NetworkRow] = field(default_factory=list)

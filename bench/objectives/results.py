"""Everything a run of the benchmark found, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bench.networks.comparison.results import NetworkFacts

Key = tuple[str, str, str, int]
MEASURING = frozenset({"measure", "measure large changes"})
"""Stages of `compress` that do not depend on the objective."""


@dataclass(frozen=True)
class ObjectiveRow:
    """What one objective made of one network.

    Attributes:
        network, setting, objective: names.
        seed: of the calibration inputs and of `compress`.
        stored_bits: per weight, everything counted.
        macs: share of the multiply-accumulates that stays after the removal of pruned channels.
        bops: share of the bit operations that stays, of 32 x 32; None in rows that were run before these were counted.
        divergence: from the network as it was, on the test inputs, in the unit of its loss; repaired and refitted.
        metric: of the task, on the test inputs, 0 to 1.
        held_out_divergence, bare_divergence: on calibration inputs that were not measured on; before the recovery.
        chosen: parameters of the rounds that were accepted.
        stages: stage of `compress` -> CPU seconds.
    """

    network: str
    setting: str
    objective: str
    seed: int
    stored_bits: float
    macs: float
    divergence: float
    metric: float
    held_out_divergence: float
    bare_divergence: float
    chosen: tuple[dict[str, Any], ...]
    stages: dict[str, float]
    bops: float | None = None

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.network, self.setting, self.objective, self.seed

    @property
    def seconds(self) -> float:
        """CPU seconds without those of measuring, which the objectives share."""
        return sum(seconds for stage, seconds in self.stages.items() if stage not in MEASURING)


@dataclass(frozen=True)
class Refusal:
    """A setting that a network does not allow.

    Attributes:
        network, setting: names.
        reason: in words.
    """

    network: str
    setting: str
    reason: str


@dataclass
class ObjectiveResults:
    """All of it.

    Attributes:
        settings: whatever decides the figures.
        networks: by their names.
        rows, refusals: as they came.
    """

    settings: dict[str, Any]
    networks: dict[str, NetworkFacts] = field(default_factory=dict)
    rows: list[ObjectiveRow] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def lacks(self, key: Key) -> bool:
        """Whether a row is still to be run."""
        refused = any((each.network, each.setting) == key[:2] for each in self.refusals)
        return not refused and all(row.key != key for row in self.rows)

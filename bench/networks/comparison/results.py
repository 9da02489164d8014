"""Everything a run of the benchmark found, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, float, str, int]


@dataclass(frozen=True)
class NetworkRow:
    """What one method made of one network.

    Attributes:
        network, method: names.
        bits: allowed per weight.
        seed: of the calibration inputs and of the method.
        stored_bits: per weight, everything counted.
        divergence: from the network as it was, on the test inputs, in the unit of its loss.
        metric: of the task, on the test inputs, 0 to 1.
        held_out_divergence, bare_divergence: on calibration inputs that were not measured on; before the recovery.
        cpu_seconds: of the method.
        peak_gib: memory of its process, network and inputs included.
        note: of the method.
    """

    network: str
    bits: float
    method: str
    seed: int
    stored_bits: float
    divergence: float
    metric: float
    held_out_divergence: float
    bare_divergence: float
    cpu_seconds: float
    peak_gib: float
    note: str = ""

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.network, self.bits, self.method, self.seed


@dataclass(frozen=True)
class NetworkFacts:
    """A network as it was.

    Attributes:
        name, task, inputs, metric_name, granularity, seeds: see `bench.networks.shipped.network.Entry`.
        weights: that can be compressed.
        units: that get an option.
        metric: of the task, on the test inputs.
        packages: with their versions.
    """

    name: str
    task: str
    inputs: str
    metric_name: str
    granularity: str
    seeds: int
    weights: int
    units: int
    metric: float
    packages: tuple[str, ...]


@dataclass
class NetworkResults:
    """All of it.

    Attributes:
        settings: whatever decides the figures.
        networks: by their names.
        rows: as they came.
    """

    settings: dict[str, Any]
    networks: dict[str, NetworkFacts] = field(default_factory=dict)
    rows: list[NetworkRow] = field(default_factory=list)

    def __contains__(self, key: Key) -> bool:
        return any(row.key == key for row in self.rows)

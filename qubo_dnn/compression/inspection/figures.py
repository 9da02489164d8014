"""What is known about a network before it is compressed, as plain figures. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class LayerInspection:
    """A layer that can be compressed.

    Attributes:
        name: name of the layer.
        kind: class of its module.
        shape: shape of its weight.
        channels: number of output channels.
        weights: number of weights.
        share: share of all numbers of the network.
        calls: calls of the module in one pass of the network; None without samples.
        macs: multiply-accumulates for one sample; None without samples.
        measured: how its effect is measured: by "calls" of its modules or of "operators", many samples at a time, or
            through its "parameter", sample by sample; None without samples.

    Example:
        >>> from torch import nn
        >>> from qubo_dnn.compression.inspection.network import inspect_network
        >>> found = inspect_network(nn.Sequential(nn.Linear(3, 2)))
        >>> found.layers[0].shape, found.layers[0].share
        ((2, 3), 0.75)
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    channels: int
    weights: int
    share: float
    calls: int | None
    macs: int | None
    measured: str | None


@dataclass(frozen=True, kw_only=True)
class GranularityCost:
    """What a granularity would take, all layers with the same options, and without a budget of multiply-accumulates.

    Attributes:
        granularity: see `qubo_dnn.compression.task.granularity`.
        units: number of units.
        decisions: number of decisions; fewer than units where units share theirs.
        variables: number of binary variables.
        interactions: number of pairs of variables of different decisions; a problem has no more, and none if it is
            separable or its couplings stay a factor.
        pairs_bytes: memory for solving with all pairs.
        form: form of the measured couplings within the memory limit: "matrix" or "factor"; None if neither fits, or
            without samples.
        measurement_bytes: memory of the measurement in this form, or in the smaller one if neither fits; None without
            samples.
        seconds: time of one measurement in this form; every round takes one. None without a form.

    Example:
        >>> from torch import nn
        >>> from qubo_dnn.compression.inspection.network import inspect_network
        >>> inspect_network(nn.Sequential(nn.Linear(3, 2))).granularities[-1].variables  # 2 channels, 6 options
        12
    """

    granularity: str
    units: int
    decisions: int
    variables: int
    interactions: int
    pairs_bytes: int
    form: str | None
    measurement_bytes: int | None
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class NetworkInspection:
    """A network before it is compressed.

    Attributes:
        numbers: numbers of the network, every tensor once.
        weights: those that can be compressed.
        bytes: size of the file of the network in float32.
        options: options of every unit.
        samples: number of samples that a measurement would have; None without samples.
        probes: backward passes for every sample; None without samples.
        examined: number of samples on which the use of the weights was seen; 0 without samples.
        layers: the layers that can be compressed.
        left_alone: what cannot, by module: name, type, numbers, bytes and reason.
        granularities: what each granularity would take.
        warnings: what else the user should know.

    Example:
        >>> from torch import nn
        >>> from qubo_dnn.compression.inspection.network import inspect_network
        >>> found = inspect_network(nn.Sequential(nn.Linear(3, 2)))
        >>> found.numbers, found.weights, found.left_alone[0]["reason"]
        (8, 6, 'stored as they are')
    """

    numbers: int
    weights: int
    bytes: int
    options: tuple[str, ...]
    samples: int | None
    probes: int | None
    examined: int
    layers: tuple[LayerInspection, ...]
    left_alone: tuple[Mapping[str, Any], ...]
    granularities: tuple[GranularityCost, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return asdict(self)

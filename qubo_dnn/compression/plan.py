"""A compression plan: which bit width every unit of every layer gets. Plain data, no torch.

A unit is a run of `group` consecutive output channels of one layer: 1 is a single channel, the number of
output channels is the whole layer; the last unit of a layer may be shorter. 0 bits means pruned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qubo_dnn.errors import FileFormatError

MAX_BITS = 8


@dataclass(frozen=True)
class LayerPlan:
    """Bit widths of one layer.

    Attributes:
        group: output channels in a unit, >= 1.
        bits: bit width of every unit, 0 (pruned) to `MAX_BITS`, in channel order.
    """

    group: int
    bits: tuple[int, ...]

    def channel_bits(self, channels: int) -> list[int]:
        """Bit width of each of the layer's `channels` output channels."""
        return [self.bits[channel // self.group] for channel in range(channels)]


@dataclass(frozen=True)
class Plan:
    """Layer name -> bit widths; layers that are not named stay as they are."""

    layers: Mapping[str, LayerPlan]

    def to_json(self) -> dict[str, Any]:
        """The plan as plain data."""
        layers = {name: {"group": layer.group, "bits": list(layer.bits)} for name, layer in self.layers.items()}
        return {"format": "qubo-dnn plan", "version": 1, "layers": layers}

    @classmethod
    def from_json(cls, data: Any, source: str = "plan") -> Plan:
        """The plan that `to_json` wrote.

        Raises:
            FileFormatError: `data` is not a plan; the text names `source` and what is wrong.
        """
        if not isinstance(data, dict) or data.get("format") != "qubo-dnn plan" or data.get("version") != 1:
            raise FileFormatError(f"{source}: not a qubo-dnn plan of version 1")
        if not isinstance(data.get("layers"), dict):
            raise FileFormatError(f"{source}: has no layers")
        layers = {}
        for name, entry in data["layers"].items():
            if not isinstance(entry, dict):
                raise FileFormatError(f"{source}: layer {name!r} has no group and bits")
            group, bits = entry.get("group"), entry.get("bits")
            # By `type`, for True is an int.
            if type(group) is not int or group < 1:
                raise FileFormatError(f"{source}: layer {name!r} has no group size >= 1")
            if not isinstance(bits, list) or not all(type(b) is int and 0 <= b <= MAX_BITS for b in bits):
                raise FileFormatError(f"{source}: layer {name!r} has bit widths other than 0 to {MAX_BITS}")
            layers[name] = LayerPlan(group, tuple(bits))
        return cls(layers)

    @classmethod
    def load(cls, path: Path) -> Plan:
        """Read a plan file.

        Raises:
            FileFormatError: the file is missing, is not JSON, or is not a plan.
        """
        try:
            data = json.loads(path.read_text())
        except (OSError, ValueError) as cause:
            raise FileFormatError(f"{path}: cannot be read as JSON ({cause})") from cause
        return cls.from_json(data, str(path))

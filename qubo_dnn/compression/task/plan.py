"""A compression plan: which option every unit of every layer gets. Plain data, no torch.

A unit is a run of `group` consecutive output channels of one layer: 1 is a single channel, the number of
output channels is the whole layer; the last unit of a layer may be shorter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qubo_dnn.compression.task.options import Option
from qubo_dnn.errors import FileFormatError, OptionError

_FORMAT, _VERSION = "qubo-dnn plan", 2


@dataclass(frozen=True)
class LayerPlan:
    """Options of one layer.

    Attributes:
        group: output channels in a unit, >= 1.
        options: of every unit, in channel order.
    """

    group: int
    options: tuple[Option, ...]

    def channel_options(self, channels: int) -> list[Option]:
        """Option of each of the layer's `channels` output channels."""
        return [self.options[channel // self.group] for channel in range(channels)]


@dataclass(frozen=True)
class Plan:
    """Layer name -> options; layers that are not named stay as they are."""

    layers: Mapping[str, LayerPlan]

    def to_json(self) -> dict[str, Any]:
        """The plan as plain data."""
        layers = {
            name: {"group": layer.group, "options": list(map(str, layer.options))}
            for name, layer in self.layers.items()
        }
        return {"format": _FORMAT, "version": _VERSION, "layers": layers}

    @classmethod
    def from_json(cls, data: Any, source: str = "plan") -> Plan:
        """The plan that `to_json` wrote, or its version 1, which has a list of `bits` for the `options`.

        Raises:
            FileFormatError: `data` is not a plan; the text names `source` and what is wrong.
        """
        if not isinstance(data, dict) or data.get("format") != _FORMAT or data.get("version") not in (1, _VERSION):
            raise FileFormatError(f"{source}: not a qubo-dnn plan of version 1 or {_VERSION}")
        if not isinstance(data.get("layers"), dict):
            raise FileFormatError(f"{source}: has no layers")
        layers = {}
        for name, entry in data["layers"].items():
            if not isinstance(entry, dict):
                raise FileFormatError(f"{source}: layer {name!r} has no group and options")
            group = entry.get("group")
            # By `type`, for True is an int.
            if type(group) is not int or group < 1:
                raise FileFormatError(f"{source}: layer {name!r} has no group size >= 1")
            try:
                options = _options_v1(entry) if data["version"] == 1 else _options(entry)
            except OptionError as cause:
                raise FileFormatError(f"{source}: layer {name!r}: {cause}") from cause
            layers[name] = LayerPlan(group, options)
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


def _options(entry: Mapping[str, Any]) -> tuple[Option, ...]:
    texts = entry.get("options")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise OptionError("its options are not a list of words")
    return tuple(map(Option.parse, texts))


def _options_v1(entry: Mapping[str, Any]) -> tuple[Option, ...]:
    bits = entry.get("bits")
    if not isinstance(bits, list):
        raise OptionError("its bits are not a list")
    return tuple(map(Option, bits))

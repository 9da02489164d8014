"""A compression plan: the option of every unit of every layer. Plain data; needs no torch.

A unit consists of `group` consecutive output channels of one layer: a single channel if `group` is 1, the whole layer
if it is the number of output channels; the last unit of a layer may have fewer channels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qubo_dnn.compression.task.options import Option, is_activation_width
from qubo_dnn.errors import FileFormatError, OptionError

_FORMAT = "qubo-dnn plan"
# Without widths of activations, releases that know none can read the plan.
_WEIGHTS, _ACTIVATIONS = 2, 3


@dataclass(frozen=True)
class LayerPlan:
    """Options of one layer.

    Attributes:
        group: output channels in a unit, >= 1.
        options: option of every unit, in channel order.

    Example:
        >>> layer = LayerPlan(group=2, options=(Option(4), Option(8)))
        >>> [str(option) for option in layer.channel_options(channels=3)]
        ['4', '4', '8']
    """

    group: int
    options: tuple[Option, ...]

    def channel_options(self, channels: int) -> list[Option]:
        """Return the option of each of the layer's `channels` output channels."""
        return [self.options[channel // self.group] for channel in range(channels)]


@dataclass(frozen=True)
class Plan:
    """The options of a network; layers that the plan does not name stay unchanged.

    Attributes:
        layers: name of a layer -> options of its weights.
        activations: name of a layer -> bit width of what it reads: 2 to 8, or 32 for numbers that stay as they are, as
            those of all other layers do.

    Example:
        >>> plan = Plan({"conv": LayerPlan(group=2, options=(Option(4), Option(8)))}, {"conv": 8})
        >>> Plan.from_json(plan.to_json()) == plan
        True
    """

    layers: Mapping[str, LayerPlan]
    activations: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        layers = {
            name: {"group": layer.group, "options": list(map(str, layer.options))}
            for name, layer in self.layers.items()
        }
        if not self.activations:
            return {"format": _FORMAT, "version": _WEIGHTS, "layers": layers}
        activations = dict(self.activations)
        return {"format": _FORMAT, "version": _ACTIVATIONS, "layers": layers, "activations": activations}

    @classmethod
    def from_json(cls, data: Any, source: str = "plan") -> Plan:
        """Read the output of `to_json`, or version 1 of the format, which has a list of `bits` in place of `options`.

        Version 2 has options of weights, and version 3 widths of activations too.

        Raises:
            FileFormatError: `data` is not a plan; the message names `source` and the fault.
        """
        if (
            not isinstance(data, dict)
            or data.get("format") != _FORMAT
            or data.get("version")
            not in (
                1,
                _WEIGHTS,
                _ACTIVATIONS,
            )
        ):
            raise FileFormatError(f"{source}: not a qubo-dnn plan of version 1 to {_ACTIVATIONS}")
        if not isinstance(data.get("layers"), dict):
            raise FileFormatError(f"{source}: has no layers")
        layers = {}
        for name, entry in data["layers"].items():
            if not isinstance(entry, dict):
                raise FileFormatError(f"{source}: layer {name!r} has no group and options")
            group = entry.get("group")
            # Compare the type, because True is an int.
            if type(group) is not int or group < 1:
                raise FileFormatError(f"{source}: layer {name!r} has no group size >= 1")
            try:
                options = _options_v1(entry) if data["version"] == 1 else _options(entry)
            except OptionError as cause:
                raise FileFormatError(f"{source}: layer {name!r}: {cause}") from cause
            layers[name] = LayerPlan(group, options)
        return cls(layers, _activations(data, source))

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


def _activations(data: Mapping[str, Any], source: str) -> dict[str, int]:
    entries = data.get("activations") if data["version"] == _ACTIVATIONS else {}
    if not isinstance(entries, dict):
        raise FileFormatError(f"{source}: has no widths of activations")
    for name, bits in entries.items():
        if type(bits) is not int or not is_activation_width(bits):
            raise FileFormatError(f"{source}: layer {name!r}: {bits!r} is not a width of activations")
    return entries


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

"""Units: groups of consecutive output channels that share one option."""

from __future__ import annotations

import re

from qubo_dnn.errors import OptionError

COUPLED = "coupled-channel"
"""Granularity in which all layers that make a channel share its option, so that the channel can be removed."""
AUTO = "auto"
"""`COUPLED` with a budget of multiply-accumulates, else "channel"."""

_CHANNELS = ("channel", COUPLED, AUTO)
_GROUP = re.compile(r"group:([1-9]\d*)", re.ASCII)


def group_size(granularity: str, channels: int) -> int:
    """Return the number of output channels in a unit, as in `LayerPlan.group`.

    Args:
        granularity: "layer", "group:N" for N consecutive channels, "channel", "coupled-channel" or "auto".
        channels: number of output channels of the layer, >= 1.

    Returns:
        1 to `channels`.

    Raises:
        OptionError: `granularity` is none of these.

    Example:
        >>> group_size("layer", 64), group_size("group:8", 64), group_size("channel", 64)
        (64, 8, 1)
    """
    if granularity == "layer":
        return channels
    if granularity in _CHANNELS:
        return 1
    match = _GROUP.fullmatch(granularity)
    if match is None:
        raise OptionError(
            f"granularity {granularity!r} is none of layer, channel, coupled-channel, auto, group:N with N >= 1"
        )
    return min(int(match[1]), channels)

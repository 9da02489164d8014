"""Units: the runs of output channels that share one bit width."""

from __future__ import annotations

import re

from qubo_dnn.errors import OptionError

_GROUP = re.compile(r"group:([1-9]\d*)", re.ASCII)


def group_size(granularity: str, channels: int) -> int:
    """Output channels in a unit of a layer, as `LayerPlan.group` has it.

    Args:
        granularity: "layer", "channel", or "group:N" for N consecutive channels.
        channels: output channels of the layer, >= 1.

    Returns:
        1 to `channels`.

    Raises:
        OptionError: `granularity` is none of these.
    """
    if granularity == "layer":
        return channels
    if granularity == "channel":
        return 1
    match = _GROUP.fullmatch(granularity)
    if match is None:
        raise OptionError(f"granularity {granularity!r} is none of layer, channel, group:N with N >= 1")
    return min(int(match[1]), channels)

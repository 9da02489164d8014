"""What a plan costs: the exact number of bits it takes in the compressed file.

A layer is stored as its float32 base (32 bits), for every unit a width code and whether it is masked, and for every
channel that is not pruned a scale code, an offset code, the mask where there is one and the weights that it keeps; the
layer is padded to whole bytes (see `packing`).
"""

from __future__ import annotations

from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.plan import LayerPlan

WIDTH_BITS, MASK_FLAG_BITS = 4, 1
"""Bits of a unit's width code, and of whether its channels have masks."""
UNIT_BITS = WIDTH_BITS + MASK_FLAG_BITS
"""Bits of a unit beside its channels."""
SCALE_BITS, OFFSET_BITS = 8, 4
"""Bits of a channel's scale and offset codes."""
CHANNEL_BITS = SCALE_BITS + OFFSET_BITS
"""Bits of a channel that is not pruned, beside its mask and weights."""
BASE_BITS = 32
"""Bits of a layer's float32 base."""
LAYER_OVERHEAD_BITS = BASE_BITS + 7
"""Most that a layer takes beside its units: the base, and padding to whole bytes at its worst."""
FLOAT_BITS = 32
"""Bits of a weight that is not compressed."""


def stored_bits(weights_per_channel: int, channels: int, option: Option) -> int:
    """Bits a unit of `channels` output channels takes in the file at an option."""
    if not option.bits:
        return UNIT_BITS
    kept = option.kept(weights_per_channel)
    mask = weights_per_channel if kept < weights_per_channel else 0
    return UNIT_BITS + channels * (CHANNEL_BITS + mask + kept * option.bits)


def layer_bytes(layer: LayerPlan, channels: int, weights_per_channel: int) -> int:
    """Bytes a layer of `channels` output channels takes in the file, its base and padding included."""
    bits = BASE_BITS
    for unit, option in enumerate(layer.options):
        bits += stored_bits(weights_per_channel, min(layer.group, channels - unit * layer.group), option)
    return -(-bits // 8)

"""What a plan costs: the exact number of bits it takes in the compressed file.

A layer is stored as its float32 base (32 bits), a width code for every unit, and for every channel that is not
pruned a scale code, an offset code and its weights; the layer is padded to whole bytes (see `packing`).
"""

from __future__ import annotations

from qubo_dnn.compression.options import Option
from qubo_dnn.compression.plan import LayerPlan

WIDTH_BITS = 4
"""Bits of a unit's width code."""
SCALE_BITS, OFFSET_BITS = 8, 4
"""Bits of a channel's scale and offset codes."""
CHANNEL_BITS = SCALE_BITS + OFFSET_BITS
"""Bits of a channel that is not pruned, beside its weights."""
BASE_BITS = 32
"""Bits of a layer's float32 base."""
LAYER_OVERHEAD_BITS = BASE_BITS + 7
"""Most that a layer takes beside its units: the base, and padding to whole bytes at its worst."""
FLOAT_BITS = 32
"""Bits of a weight that is not compressed."""


def stored_bits(weights_per_channel: int, channels: int, option: Option) -> int:
    """Bits a unit of `channels` output channels takes in the file at an option."""
    return WIDTH_BITS + (channels * (weights_per_channel * option.bits + CHANNEL_BITS) if option.bits else 0)


def layer_bytes(layer: LayerPlan, channels: int, weights_per_channel: int) -> int:
    """Bytes a layer of `channels` output channels takes in the file, its base and padding included."""
    bits = BASE_BITS
    for unit, option in enumerate(layer.options):
        bits += stored_bits(weights_per_channel, min(layer.group, channels - unit * layer.group), option)
    return -(-bits // 8)

"""The exact number of bits that a plan takes in the compressed file.

A layer is stored as its float32 base (32 bits), a width code and a mask flag for every unit, and for every channel that
is not pruned a scale code, an offset code, the mask if the unit has masks, and the kept weights; a channel of 32 bits
has neither code. The layer is padded to whole bytes (see `qubo_dnn.compression.quantization.bit_packing`).
"""

from __future__ import annotations

from qubo_dnn.compression.task.options import FLOAT_BITS, Option
from qubo_dnn.compression.task.plan import LayerPlan

WIDTH_BITS, MASK_FLAG_BITS = 4, 1
"""Bits of a unit's width code, and of the flag that its channels have masks."""
UNIT_BITS = WIDTH_BITS + MASK_FLAG_BITS
"""Bits of a unit without its channels."""
SCALE_BITS, OFFSET_BITS = 8, 4
"""Bits of a channel's scale and offset codes."""
CHANNEL_BITS = SCALE_BITS + OFFSET_BITS
"""Bits of a channel that is not pruned, without its mask and weights."""
BASE_BITS = 32
"""Bits of a layer's float32 base."""
LAYER_OVERHEAD_BITS = BASE_BITS + 7
"""Largest number of bits of a layer without its units: the base and 7 bits of padding."""


def stored_bits(weights_per_channel: int, channels: int, option: Option) -> int:
    """Return the bits that a unit of `channels` output channels takes in the file at an option.

    Example:
        >>> stored_bits(weights_per_channel=9, channels=2, option=Option(4))  # 5 + 2 * (12 + 9 * 4)
        101
    """
    if not option.bits:
        return UNIT_BITS
    kept = option.kept(weights_per_channel)
    mask = weights_per_channel if kept < weights_per_channel else 0
    grid = 0 if option.bits == FLOAT_BITS else CHANNEL_BITS
    return UNIT_BITS + channels * (grid + mask + kept * option.bits)


def layer_bytes(layer: LayerPlan, channels: int, weights_per_channel: int) -> int:
    """Return the bytes that a layer of `channels` output channels takes in the file, base and padding included.

    Example:
        >>> layer_bytes(LayerPlan(2, (Option(4), Option(8))), channels=4, weights_per_channel=9)
        39
    """
    bits = BASE_BITS
    for unit, option in enumerate(layer.options):
        bits += stored_bits(weights_per_channel, min(layer.group, channels - unit * layer.group), option)
    return -(-bits // 8)

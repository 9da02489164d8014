"""What a plan costs: the exact number of bits it takes in the compressed file, and budgets for it.

A layer is stored as its float32 base (32 bits), a width code for every unit, and for every channel that is not
pruned a scale code, an offset code and its weights; the layer is padded to whole bytes (see `packing`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from qubo_dnn.compression.plan import LayerPlan
from qubo_dnn.errors import OptionError

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

_BYTES = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_FORM = re.compile(r"(\d+\.?\d*|\.\d+)\s*(bits?|%|[kmg]i?b|b)", re.ASCII | re.IGNORECASE)


def stored_bits(weights_per_channel: int, channels: int, bits: int) -> int:
    """Bits a unit of `channels` output channels takes in the file at a width of `bits`; 0 bits means pruned."""
    return WIDTH_BITS + (channels * (weights_per_channel * bits + CHANNEL_BITS) if bits else 0)


def layer_bytes(layer: LayerPlan, channels: int, weights_per_channel: int) -> int:
    """Bytes a layer of `channels` output channels takes in the file, its base and padding included."""
    bits = BASE_BITS
    for unit, width in enumerate(layer.bits):
        bits += stored_bits(weights_per_channel, min(layer.group, channels - unit * layer.group), width)
    return -(-bits // 8)


@dataclass(frozen=True)
class Budget:
    """A limit on everything stored for the compressible weights.

    Attributes:
        kind: "bits" (average per weight), "fraction" (of the float32 size) or "bytes".
        limit_bits: the limit in bits, for all compressible layers together.
        text: as the user wrote it.
    """

    kind: Literal["bits", "fraction", "bytes"]
    limit_bits: int
    text: str

    def amount(self, bits: float, weights: int) -> float:
        """A number of stored bits in the unit of `kind`: bits per weight, share of the float32 size, or bytes."""
        return bits / {"bits": weights, "fraction": FLOAT_BITS * weights, "bytes": 8}[self.kind]


def parse_budget(text: str, weights: int) -> Budget:
    """A budget from one of its three forms.

    Args:
        text: "3bits": average stored bits per weight; "25%": of the float32 size; "200KB": size of the stored
            weights, in B, KB, MB, GB (powers of 1000) or KiB, MiB, GiB (of 1024). Scales, offsets and width codes
            count in all of them; parameters that are not compressed (biases, BatchNorm) in none.
        weights: number of compressible weights, > 0.

    Raises:
        OptionError: the text has none of these forms, or the limit is zero.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None or not (amount := Fraction(match[1])):
        raise OptionError(
            f"budget {text!r} is not a positive amount in one of the forms 3bits (average per weight), "
            "25% (of the float32 size), 200KB (bytes of weights; also B, MB, GB, KiB, MiB, GiB)"
        )
    unit = match[2].lower()
    if unit.startswith("bit"):
        return Budget("bits", int(amount * weights), text)
    if unit == "%":
        return Budget("fraction", int(amount / 100 * FLOAT_BITS * weights), text)
    return Budget("bytes", int(amount * _BYTES[unit] * 8), text)

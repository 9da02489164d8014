"""Budgets: limits on what a compressed network costs. No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from qubo_dnn.compression.costs import FLOAT_BITS
from qubo_dnn.errors import OptionError

_BYTES = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_FORM = re.compile(r"(\d+\.?\d*|\.\d+)\s*(bits?|%|[kmg]i?b|b)", re.ASCII | re.IGNORECASE)


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

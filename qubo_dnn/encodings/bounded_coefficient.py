"""Bounded-coefficient encoding: powers of two up to a bound, then as many coefficients of that bound as are needed.

`x = low + sum of 2^k b[k] + bound * (sum of further b) + rest`: coefficients never exceed the bound, which hardware of
limited precision asks for, at the price of more variables than the binary encoding has.

Source: Karimi & Ronagh 2019, "Practical integer-to-binary mapping for quantum annealers".
"""

from __future__ import annotations

from qubo_dnn.encodings.binary import binary
from qubo_dnn.encodings.integer import EncodedInteger, IntegerEncoding, names, width
from qubo_dnn.errors import FormulationError


def bounded_coefficient(bound: int) -> IntegerEncoding:
    """The encoding with coefficients of at most `bound`.

    Raises:
        FormulationError: `bound` is less than 1.
    """
    if bound < 1:
        raise FormulationError(f"coefficients cannot be bounded by {bound}, which is less than 1")

    def encode(label: str, low: int, high: int) -> EncodedInteger:
        span = width(low, high, per_value=False)
        powers = [2**k for k in range(bound.bit_length())]
        if span <= sum(powers):
            # The binary encoding stays within the bound by itself.
            weights = list(binary(label, 0, span).coefficients.values())
        else:
            width(low, low + span // bound, per_value=True)
            many, rest = divmod(span - sum(powers), bound)
            weights = [*powers, *[bound] * many, *[rest] * (rest > 0)]
        return EncodedInteger(low, dict(zip(names(label, len(weights)), weights, strict=True)))

    return encode

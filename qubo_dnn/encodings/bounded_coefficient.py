"""Bounded-coefficient encoding: powers of two up to a bound, then coefficients equal to the bound.

`x = low + sum of 2^k b[k] + bound * (sum of further b) + rest`: coefficients never exceed the bound, as hardware of
limited precision requires, but there are more variables than in the binary encoding.

Source: Karimi & Ronagh 2019, "Practical integer-to-binary mapping for quantum annealers".
"""

from __future__ import annotations

from qubo_dnn.encodings.binary import binary
from qubo_dnn.encodings.integer import EncodedInteger, IntegerEncoding, names, width
from qubo_dnn.errors import FormulationError


def bounded_coefficient(bound: int) -> IntegerEncoding:
    """Make the encoding whose coefficients are at most `bound`.

    Raises:
        FormulationError: `bound` is less than 1.

    Example:
        >>> bounded_coefficient(4)("n", 0, 18).coefficients
        {'n[0]': 1, 'n[1]': 2, 'n[2]': 4, 'n[3]': 4, 'n[4]': 4, 'n[5]': 3}
    """
    if bound < 1:
        raise FormulationError(f"the bound of the coefficients must be at least 1, not {bound}")

    def encode(label: str, low: int, high: int) -> EncodedInteger:
        span = width(low, high, per_value=False)
        powers = [2**k for k in range(bound.bit_length())]
        if span <= sum(powers):
            # The binary encoding keeps the bound.
            weights = list(binary(label, 0, span).coefficients.values())
        else:
            width(low, low + span // bound, per_value=True)
            many, rest = divmod(span - sum(powers), bound)
            weights = [*powers, *[bound] * many, *[rest] * (rest > 0)]
        return EncodedInteger(low, dict(zip(names(label, len(weights)), weights, strict=True)))

    return encode

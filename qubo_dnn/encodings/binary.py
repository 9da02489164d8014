"""Binary encoding: powers of two, the last coefficient cut so that no state leaves the range.

`x = low + sum of 2^k b[k] (k < K - 1) + (w - 2^(K-1) + 1) b[K-1]` with `w = high - low` and `K = floor(log2 w) + 1`.
Fewest variables; coefficients grow with the range, and values may have several states.

Source: Lucas 2014, "Ising formulations of many NP problems", section 2.4.
"""

from __future__ import annotations

from qubo_dnn.encodings.integer import EncodedInteger, names, width


def binary(label: str, low: int, high: int) -> EncodedInteger:
    """See the module; ceil(log2(high - low + 1)) variables."""
    span = width(low, high, per_value=False)
    count = span.bit_length()
    powers = [2**k for k in range(count - 1)]
    weights = [*powers, span - sum(powers)] if count else []
    return EncodedInteger(low, dict(zip(names(label, count), weights, strict=True)))

"""Binary encoding: powers of two, with the last coefficient reduced so that no state leaves the range.

`x = low + sum of 2^k b[k] (k < K - 1) + (w - 2^(K-1) + 1) b[K-1]` with `w = high - low` and `K = floor(log2 w) + 1`.
It needs the fewest variables. Coefficients grow with the range, and a value may have several states.

Source: Lucas 2014, "Ising formulations of many NP problems", section 2.4.
"""

from __future__ import annotations

from qubo_dnn.encodings.integer import EncodedInteger, names, width


def binary(label: str, low: int, high: int) -> EncodedInteger:
    """Encode an integer by ceil(log2(high - low + 1)) variables; see the module for the formula.

    Args:
        label: prefix of the variables `label[0]`, `label[1]`, ...
        low: smallest value.
        high: largest value.

    Raises:
        FormulationError: `high` is less than `low`.

    Example:
        >>> binary("n", 0, 5).coefficients
        {'n[0]': 1, 'n[1]': 2, 'n[2]': 2}
    """
    span = width(low, high, per_value=False)
    count = span.bit_length()
    powers = [2**k for k in range(count - 1)]
    weights = [*powers, span - sum(powers)] if count else []
    return EncodedInteger(low, dict(zip(names(label, count), weights, strict=True)))

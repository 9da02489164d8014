"""One-hot encoding: one variable per value, of which exactly one is 1.

`x = low + sum of k b[k]`: any function of x is linear in b, but the one-hot group must be kept.

Source: Tamura, Shirai, Katsura, Tanaka & Togawa 2021, "Performance comparison of typical binary-integer encodings in an
Ising machine".
"""

from __future__ import annotations

from qubo_dnn.encodings.integer import EncodedInteger, names, width


def one_hot(label: str, low: int, high: int) -> EncodedInteger:
    """Encode an integer by high - low + 1 variables; see the module for the formula.

    Args:
        label: prefix of the variables `label[0]`, `label[1]`, ...
        low: smallest value.
        high: largest value.

    Raises:
        FormulationError: `high` is less than `low`, or the range needs more than 100,000 variables.

    Example:
        >>> number = one_hot("n", 1, 3)
        >>> number.one_hot, number.value({"n[0]": 0, "n[1]": 0, "n[2]": 1})
        (('n[0]', 'n[1]', 'n[2]'), 3)
    """
    variables = names(label, width(low, high, per_value=True) + 1)
    return EncodedInteger(low, {variable: k for k, variable in enumerate(variables)}, one_hot=variables)

"""Unary encoding: one variable for every unit of the range.

`x = low + sum of b[k]`: all coefficients are 1 and every state is valid, but most values have several states.

Source: Tamura, Shirai, Katsura, Tanaka & Togawa 2021, "Performance comparison of typical binary-integer encodings in an
Ising machine".
"""

from __future__ import annotations

from qubo_dnn.encodings.integer import EncodedInteger, names, width


def unary(label: str, low: int, high: int) -> EncodedInteger:
    """Encode an integer by high - low variables; see the module for the formula.

    Args:
        label: prefix of the variables `label[0]`, `label[1]`, ...
        low: smallest value.
        high: largest value.

    Raises:
        FormulationError: `high` is less than `low`, or the range needs more than 100,000 variables.

    Example:
        >>> number = unary("n", 1, 4)
        >>> number.value({"n[0]": 0, "n[1]": 1, "n[2]": 1})
        3
    """
    return EncodedInteger(low, dict.fromkeys(names(label, width(low, high, per_value=True)), 1))

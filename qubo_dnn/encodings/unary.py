"""Unary encoding: as many variables as the range is wide, each worth 1.

`x = low + sum of b[k]`: all coefficients are 1 and every state is valid, but values have many states.

Source: Tamura, Shirai, Katsura, Tanaka & Togawa 2021, "Performance comparison of typical binary-integer encodings in an
Ising machine".
"""

from __future__ import annotations

from qubo_dnn.encodings.integer import EncodedInteger, names, width


def unary(label: str, low: int, high: int) -> EncodedInteger:
    """See the module; high - low variables."""
    return EncodedInteger(low, dict.fromkeys(names(label, width(low, high, per_value=True)), 1))

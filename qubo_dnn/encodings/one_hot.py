"""One-hot encoding: one variable per value, of which exactly one is 1.

`x = low + sum of k b[k]`: any function of x is linear in b, at the price of a group that has to be kept.

Source: Tamura, Shirai, Katsura, Tanaka & Togawa 2021, "Performance comparison of typical binary-integer encodings in an
Ising machine".
"""

from __future__ import annotations

from qubo_dnn.encodings.integer import EncodedInteger, names, width


def one_hot(label: str, low: int, high: int) -> EncodedInteger:
    """See the module; high - low + 1 variables."""
    variables = names(label, width(low, high, per_value=True) + 1)
    return EncodedInteger(low, {variable: k for k, variable in enumerate(variables)}, one_hot=variables)

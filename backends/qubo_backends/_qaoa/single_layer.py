"""Expectation values of one layer of QAOA in closed form, for any number of spins.

Source: Ozaeta, van Dam & McMahon 2022, "Expectation values from the single-layer quantum approximate optimization
algorithm on Ising problems", arXiv 2012.03421.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_backends._shared.jit import compiled

Floats = NDArray[np.float64]


@compiled
def amplitudes(
    fields: Floats, couplings: Floats, rows: NDArray[np.int64], columns: NDArray[np.int64], gamma: float
) -> tuple[Floats, Floats, Floats]:  # pragma: no cover  # compiled
    """What expectations are made of at one gamma.

    Args:
        fields: [n].
        couplings: [n, n], symmetric with an empty diagonal.
        rows: [m] one end of every pair that is coupled.
        columns: [m] the other end.
        gamma: per unit of energy.

    Returns:
        [n] a, [m] b, [m] c with <Z_i> = a sin 2 beta and <Z_i Z_j> = b sin 4 beta + c sin^2 2 beta.
    """
    n = len(fields)
    single = np.empty(n)
    for i in range(n):
        product = np.sin(2.0 * gamma * fields[i])
        for k in range(n):
            if couplings[i, k] != 0.0:
                product *= np.cos(2.0 * gamma * couplings[i, k])
        single[i] = product
    first, second = np.empty(len(rows)), np.empty(len(rows))
    for edge in range(len(rows)):
        i, j = rows[edge], columns[edge]
        one, other = np.cos(2.0 * gamma * fields[i]), np.cos(2.0 * gamma * fields[j])
        plus = np.cos(2.0 * gamma * (fields[i] + fields[j]))
        minus = np.cos(2.0 * gamma * (fields[i] - fields[j]))
        for k in range(n):
            u, v = couplings[i, k], couplings[j, k]
            if k in (i, j) or (u == 0.0 and v == 0.0):
                continue
            one *= np.cos(2.0 * gamma * u)
            other *= np.cos(2.0 * gamma * v)
            plus *= np.cos(2.0 * gamma * (u + v))
            minus *= np.cos(2.0 * gamma * (u - v))
        first[edge] = 0.5 * np.sin(2.0 * gamma * couplings[i, j]) * (one + other)
        second[edge] = 0.5 * (minus - plus)
    return single, first, second


def expectations(single: Floats, first: Floats, second: Floats, beta: float) -> tuple[Floats, Floats]:
    """[n] <Z_i> and [m] <Z_i Z_j> at one beta, see `amplitudes`."""
    sine = np.sin(2.0 * beta)
    return single * sine, first * np.sin(4.0 * beta) + second * sine**2

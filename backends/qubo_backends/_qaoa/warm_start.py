"""Where a tilted start comes from: the semidefinite relaxation, rounded.

The relaxation gives every spin a unit vector in place of -1 or 1; fields couple to one more vector. It is solved in
vectors of few entries by coordinate descent, and rounded by random hyperplanes.

Source: Goemans & Williamson 1995, J. ACM 42 (6); the descent, Wang & Kolter 2017, "The Mixing method", arXiv
1706.00476; regularised roundings as starts of QAOA, Egger, Marecek & Woerner 2021, arXiv 2009.10095.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_SWEEPS, _CLOSE, _HYPERPLANES = 500, 1e-6, 100


def rounded_relaxation(fields: Floats, couplings: Floats, seed: int) -> NDArray[np.int8]:
    """[n] spins: the best of random roundings.

    Args:
        fields: [n].
        couplings: [n, n], symmetric with an empty diagonal.
        seed: of the first vectors and of the roundings.
    """
    n = len(fields)
    rng = np.random.default_rng(seed)
    whole = np.zeros((n + 1, n + 1))
    whole[:n, :n] = couplings
    whole[n, :n] = whole[:n, n] = fields
    vectors = rng.normal(size=(n + 1, math.isqrt(2 * (n + 1)) + 2))
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    scale = float(np.abs(whole).sum()) or 1.0
    for _ in range(_SWEEPS):
        gained = 0.0
        for i in range(n + 1):
            felt = whole[i] @ vectors
            size = float(np.linalg.norm(felt))
            if size > 0.0:
                gained += size + float(felt @ vectors[i])
                vectors[i] = -felt / size
        if gained <= _CLOSE * scale:
            break
    sides = np.where(vectors @ rng.normal(size=(vectors.shape[1], _HYPERPLANES)) >= 0.0, 1, -1)
    spins = (sides[:n] * sides[n]).T
    energies = spins @ fields + np.einsum("xi,ij,xj->x", spins, couplings, spins) / 2.0
    found: NDArray[np.int8] = spins[int(np.argmin(energies))].astype(np.int8)
    return found


def tilts(spins: NDArray[np.int8], epsilon: float) -> Floats:
    """[n] angles from |0> of qubits that are measured as these spins but for a chance of `epsilon`; 1 stands for 1."""
    chances = np.where(spins > 0, 1.0 - epsilon, epsilon)
    found: Floats = 2.0 * np.arcsin(np.sqrt(chances))
    return found

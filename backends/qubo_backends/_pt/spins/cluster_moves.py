"""Isoenergetic cluster moves on graphs of low dimension.

Where two replicas differ, they differ in clusters. Exchanging one of them between the two leaves the sum of their
energies as it is, so that it costs nothing at one temperature, and takes many spins over a barrier at once. On well
connected graphs all differing spins are one cluster, and the move exchanges nothing but the replicas' names.

Source: Houdayer 2001; Zhu, Ochoa & Katzgraber 2015, "Efficient cluster algorithm for spin glasses in any space
    dimension".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.sparse.csgraph import connected_components

from qubo_backends._jit import compiled
from qubo_backends._pt.ladder import Ladder, uniform
from qubo_backends._pt.spins.model import SpinModel
from qubo_backends._pt.spins.simd import LANES

# Clusters are exchanged where a random half of the spins has no component larger than this share of it.
_PERCOLATES = 0.5


def clusters_pay(model: SpinModel, rng: np.random.Generator) -> bool:
    """Whether half of the spins, drawn at random, fall apart into many clusters."""
    half = np.flatnonzero(rng.random(model.n) < 0.5)
    if not len(half) or not model.rows.size:
        return False
    _, labels = connected_components(model.couplings[half][:, half], directed=False)
    return bool(np.bincount(labels).max() < _PERCOLATES * len(half))


@compiled
def move_clusters(replicas: Any, ladder: Ladder) -> None:
    """Offer exchanges of a cluster between random neighbours of the ladder, `replicas.clusters` times.

    Args:
        replicas: `qubo_backends._pt.spins.sparse.SparseReplicas`, with valid fields.
        ladder: its energies are kept.
    """
    n = replicas.own.size
    cluster, inside = np.empty(n, np.int64), np.zeros(n, np.bool_)
    for _ in range(replicas.clusters):
        t = int(uniform(ladder.random) * (ladder.betas.size - 1))
        one, other = ladder.at[t], ladder.at[t + 1]
        spins_1, spins_2 = replicas.spins[one // LANES], replicas.spins[other // LANES]
        fields_1, fields_2 = replicas.fields[one // LANES], replicas.fields[other // LANES]
        a, b = one % LANES, other % LANES
        seed = int(uniform(ladder.random) * n)
        if spins_1[seed, a] == spins_2[seed, b]:
            continue
        cluster[0], size, done, change = seed, 1, 0, 0.0
        inside[seed] = True
        while done < size:
            i = cluster[done]
            done += 1
            change -= 2.0 * spins_1[i, a] * fields_1[i, a]
            for k in range(replicas.starts[i], replicas.starts[i + 1]):
                j = replicas.columns[k]
                if spins_1[j, a] != spins_2[j, b]:
                    # Each pair inside is met from both its ends; flipped together it keeps its energy.
                    change += 2.0 * replicas.rows[0, k] * spins_1[i, a] * spins_1[j, a]
                    if not inside[j]:
                        inside[j] = True
                        cluster[size] = j
                        size += 1
        gain = -(ladder.betas[t] - ladder.betas[t + 1]) * change
        if gain >= 0.0 or uniform(ladder.random) < math.exp(gain):
            ladder.energies[one] += change
            ladder.energies[other] -= change
            for c in range(size):
                i = cluster[c]
                for k in range(replicas.starts[i], replicas.starts[i + 1]):
                    j, twice = replicas.columns[k], replicas.rows[0, k] + replicas.rows[0, k]
                    fields_1[j, a] -= twice * spins_1[i, a]
                    fields_2[j, b] -= twice * spins_2[i, b]
                spins_1[i, a], spins_2[i, b] = -spins_1[i, a], -spins_2[i, b]
        for c in range(size):
            inside[cluster[c]] = False

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

from qubo_backends._pt.ladder import Ladder
from qubo_backends._pt.random import ONLY, below, uniform
from qubo_backends._pt.spins.model import SpinModel
from qubo_backends._pt.spins.simd import LANES
from qubo_backends._shared.jit import inner

# Clusters are exchanged where a random half of the spins has no component larger than this share of it.
_PERCOLATES = 0.5


def clusters_pay(model: SpinModel, rng: np.random.Generator) -> bool:
    """Return whether half of the spins, drawn at random, fall apart into many clusters."""
    half = np.flatnonzero(rng.random(model.n) < 0.5)
    if not len(half) or not model.rows.size:
        return False
    _, labels = connected_components(model.couplings[half][:, half], directed=False)
    return bool(np.bincount(labels).max() < _PERCOLATES * len(half))


@inner
def _grow_cluster(replicas: Any, one: tuple[int, int], other: tuple[int, int], seed: int) -> tuple[int, float]:
    """Collect the spins around `seed` in which two replicas differ into `replicas.cluster`.

    Args:
        replicas: see `move_clusters`.
        one: block and lane of a replica.
        other: of the other.
        seed: a spin in which they differ.

    Returns:
        The number of spins, and the change of the energy of `one` by flipping them.
    """
    couplings = replicas.couplings
    rows, starts, columns = couplings.rows, couplings.starts, couplings.columns
    cluster, inside = replicas.cluster, replicas.inside
    spins, others, fields = replicas.spins[one[0]], replicas.spins[other[0]], replicas.fields[one[0]]
    a, b = one[1], other[1]
    cluster[0], size, done, change = seed, 1, 0, 0.0
    inside[seed] = True
    while done < size:
        i = cluster[done]
        done += 1
        change -= 2.0 * spins[i, a] * fields[i, a]
        for k in range(starts[i], starts[i + 1]):
            j = columns[k]
            if spins[j, a] == others[j, b]:
                continue
            # Each pair inside is met from both its ends; flipped together it keeps its energy.
            change += 2.0 * rows[0, k] * spins[i, a] * spins[j, a]
            if not inside[j]:
                inside[j] = True
                cluster[size] = j
                size += 1
    for c in range(size):
        inside[cluster[c]] = False
    return size, change


@inner
def _flip_cluster(replicas: Any, block: int, lane: int, size: int) -> None:
    """Flip the first `size` spins of `replicas.cluster` in one replica."""
    couplings = replicas.couplings
    rows, starts, columns = couplings.rows, couplings.starts, couplings.columns
    spins, fields = replicas.spins[block], replicas.fields[block]
    for c in range(size):
        i = replicas.cluster[c]
        for k in range(starts[i], starts[i + 1]):
            fields[columns[k], lane] -= (rows[0, k] + rows[0, k]) * spins[i, lane]
        spins[i, lane] = -spins[i, lane]


@inner
def move_clusters(replicas: Any, ladder: Ladder, count: int) -> None:
    """Offer exchanges of a cluster between random neighbours of the ladder.

    Args:
        replicas: `qubo_backends._pt.spins.sparse.SparseReplicas`, with valid fields.
        ladder: its energies are kept.
        count: how many exchanges.
    """
    n = replicas.cluster.size
    for _ in range(count):
        t = below(ladder.random, ONLY, ladder.betas.size - 1)
        one, other = ladder.at[t], ladder.at[t + 1]
        block_1, lane_1, block_2, lane_2 = one // LANES, one % LANES, other // LANES, other % LANES
        seed = below(ladder.random, ONLY, n)
        if replicas.spins[block_1, seed, lane_1] == replicas.spins[block_2, seed, lane_2]:
            continue
        size, change = _grow_cluster(replicas, (block_1, lane_1), (block_2, lane_2), seed)
        gain = -(ladder.betas[t] - ladder.betas[t + 1]) * change
        if gain >= 0.0 or uniform(ladder.random, ONLY) < math.exp(gain):
            ladder.energies[one] += change
            ladder.energies[other] -= change
            _flip_cluster(replicas, block_1, lane_1, size)
            _flip_cluster(replicas, block_2, lane_2, size)

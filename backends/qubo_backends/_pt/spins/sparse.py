"""Sparse models: all replicas of a spin side by side, 32 at a time.

A sweep visits the spins in order. Where a spin flips in any of 32 replicas, the fields of its neighbours are changed in
all of them, which vector instructions do as fast as in one. Exchanging replicas exchanges temperatures, so nothing
moves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.ladder import Ladder, exchange
from qubo_backends._pt.spins.cluster_moves import move_clusters
from qubo_backends._pt.spins.descent import descend
from qubo_backends._pt.spins.model import Couplings, Floats, SpinModel
from qubo_backends._pt.spins.simd import LANES, visit_spin
from qubo_backends._shared.jit import compiled, inner
from qubo_backends._shared.struct import Struct

Numbers = Floats | NDArray[np.int8] | NDArray[np.int16]

# Sweeps from one descent of a cold replica to the next. A descent takes as long as a sixth of a sweep of 32 replicas,
# and these stay in a basin for longer than this.
SWEEPS_BETWEEN_DESCENTS = 4


@dataclass(frozen=True, eq=False)
class SparseReplicas(Struct):
    """States of all replicas and the couplings in their precision; changed in place.

    Attributes:
        couplings: the model, with sparse rows.
        weights: [entries] the couplings in the type of the fields.
        spins: [R / 32, n, 32] of -1 and 1.
        fields: [R / 32, n, 32] local fields, of the same type as the spins.
        random: [R] uint32 generator states.
        flips: [1] so far, over all replicas.
        polished: [period, n] local minima found in the sweeps since the last multiple of the period.
        polished_energies: [period], infinite where none was looked for.
        clusters: how many cluster moves to offer after a sweep, or None.
        one_state, its_fields: [n] scratch of descents.
        cluster, inside: [n] scratch of cluster moves, `inside` 0.
    """

    couplings: Couplings
    weights: Numbers
    spins: Numbers
    fields: Numbers
    random: NDArray[np.uint32]
    flips: NDArray[np.int64]
    polished: NDArray[np.int8]
    polished_energies: NDArray[np.float64]
    clusters: int | None
    one_state: Floats
    its_fields: Floats
    cluster: NDArray[np.int64]
    inside: NDArray[np.bool_]


def stored_type(model: SpinModel, dtype: type[np.floating[Any]]) -> type[np.number[Any]]:
    """Type of spins and fields: the smallest integer that holds them, else what precision asks for.

    Two or four times as many of them fit into a vector, and into the cache.
    """
    if not model.whole or model.largest_field >= 2**15:
        return dtype
    return np.int8 if model.largest_field < 2**7 else np.int16


def sparse_replicas(
    model: SpinModel, count: int, dtype: type[np.floating[Any]], period: int, clusters: int, rng: np.random.Generator
) -> SparseReplicas:
    """Replicas without states, a multiple of 32 of them; their fields are valid after `sum_fields`."""
    shape = (count // LANES, model.n, LANES)
    stored, couplings = stored_type(model, dtype), model.kernel_couplings(dtype, dtype)
    return SparseReplicas(
        couplings=couplings,
        weights=couplings.rows[0].astype(stored, copy=False),
        spins=np.zeros(shape, stored),
        fields=np.zeros(shape, stored),
        random=rng.integers(1, 2**32, count, np.uint32),
        flips=np.zeros(1, np.int64),
        polished=np.zeros((period, model.n), np.int8),
        polished_energies=np.full(period, np.inf),
        clusters=clusters or None,
        one_state=np.zeros(model.n, dtype),
        its_fields=np.zeros(model.n, dtype),
        cluster=np.zeros(model.n, np.int64),
        inside=np.zeros(model.n, np.bool_),
    )


@compiled
def sum_fields(replicas: SparseReplicas, energies: NDArray[np.float64]) -> None:
    """Compute all local fields, and the energies [R], from the states."""
    couplings = replicas.couplings
    starts, columns, own = couplings.starts, couplings.columns, couplings.own
    blocks, n, _ = replicas.spins.shape
    dtype = replicas.weights.dtype.type
    for b in range(blocks):
        spins, fields = replicas.spins[b], replicas.fields[b]
        for r in range(LANES):
            energies[b * LANES + r] = 0.0
        for i in range(n):
            field = fields[i]
            for r in range(LANES):
                field[r] = dtype(own[i])
            for k in range(starts[i], starts[i + 1]):
                weight, others = replicas.weights[k], spins[columns[k]]
                for r in range(LANES):
                    field[r] = dtype(field[r] + dtype(weight * others[r]))
            for r in range(LANES):
                energies[b * LANES + r] += 0.5 * float(spins[i, r]) * (float(own[i]) + float(field[r]))


@inner
def _polish(replicas: SparseReplicas, replica: int, energy: float, least: float, slot: int) -> None:
    """Put the local minimum that a copy of a replica descends to into a slot."""
    block, lane = replica // LANES, replica % LANES
    spins, fields = replicas.one_state, replicas.its_fields
    for i in range(spins.size):
        spins[i] = replicas.spins[block, i, lane]
        fields[i] = replicas.fields[block, i, lane]
    energy += descend(replicas.couplings, spins, fields, least)
    replicas.polished_energies[slot] = energy
    for i in range(spins.size):
        replicas.polished[slot, i] = np.int8(spins[i])


@compiled
def temper_sparse(replicas: SparseReplicas, ladder: Ladder, first: int, last: int, least: float, target: float) -> int:
    """Run sweeps `first` to `last - 1`, each followed by cluster moves and exchanges.

    A replica is polished where it is better than all before it, and a cold one every few sweeps.

    Args:
        replicas: with fields that are valid.
        ladder: temperatures.
        first: number of sweeps done before.
        last: number of sweeps to have been done afterwards; none between is a multiple of the period.
        least: half of the least gain of a descent.
        target: energy at which to stop.

    Returns:
        The number of sweeps done, less than `last` where the target was reached.
    """
    blocks, n, _ = replicas.spins.shape
    count, period = ladder.betas.size, replicas.polished_energies.size
    couplings = replicas.couplings
    starts, columns, own = couplings.starts, couplings.columns, couplings.own
    # Of this call, not of the replicas: what is known to overlap with nothing else stays in registers.
    slopes, changes = np.empty(count, own.dtype), np.empty(count, own.dtype)
    best = math.inf
    for slot in range(period):
        best = min(best, replicas.polished_energies[slot])
    for sweep in range(first, last):
        for t in range(count):
            slopes[ladder.at[t]] = -2.0 * ladder.betas[t]
            changes[t] = 0
        for b in range(blocks):
            block_spins, block_fields = replicas.spins[b].ravel(), replicas.fields[b].ravel()
            for i in range(n):
                visit_spin(
                    i,
                    block_spins,
                    block_fields,
                    replicas.random,
                    slopes,
                    changes,
                    replicas.flips,
                    b * LANES,
                    starts,
                    columns,
                    replicas.weights,
                )
        lowest = 0
        for r in range(count):
            ladder.energies[r] += float(changes[r])
            if ladder.energies[r] < ladder.energies[lowest]:
                lowest = r
        if replicas.clusters is not None:
            move_clusters(replicas, ladder, replicas.clusters)
        better = ladder.energies[lowest] < best
        if better or sweep % SWEEPS_BETWEEN_DESCENTS == 0:
            cold = ladder.at[sweep // SWEEPS_BETWEEN_DESCENTS % max(count // 4, 1)]
            chosen, slot = lowest if better else cold, sweep % period
            _polish(replicas, chosen, ladder.energies[chosen], least, slot)
            best = min(best, replicas.polished_energies[slot])
        exchange(ladder, sweep)
        if best <= target:
            return sweep + 1
    return last

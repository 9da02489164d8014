"""Sparse models: all replicas of a spin side by side, 32 at a time.

A sweep visits the spins in order. Where a spin flips in any of 32 replicas, the fields of its neighbours are changed in
all of them, which vector instructions do as fast as in one. Exchanging replicas exchanges temperatures, so nothing
moves.
"""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qubo_backends._jit import compiled
from qubo_backends._pt.ladder import Ladder, exchange
from qubo_backends._pt.spins.cluster_moves import clusters_pay, move_clusters
from qubo_backends._pt.spins.descent import descend
from qubo_backends._pt.spins.engine import SpinEngine
from qubo_backends._pt.spins.model import SpinModel
from qubo_backends._pt.spins.simd import LANES, visit_spin
from qubo_backends._pt.spins.tabu_searches import Couplings, Floats, TabuSearches

Numbers = Floats | NDArray[np.int8] | NDArray[np.int16]

# Sweeps from one descent of a cold replica to the next. A descent takes as long as a sixth of a sweep of 32 replicas,
# and these stay in a basin for longer than this.
SWEEPS_BETWEEN_DESCENTS = 4
# Sweeps between two tabu searches are at least this share of the number of spins: a search then takes about half as
# long as they do, whatever that number is. More spins than these are not searched: it would hold back the clock.
_LEAST_WAIT, _MOST_SEARCHED = 1 / 8, 3000


class SparseReplicas(NamedTuple):
    """States of all replicas and the couplings in their precision; changed in place.

    Attributes:
        rows, starts, columns: of the couplings, see `SpinModel`; sparse.
        weights: [entries] the couplings in the type of the fields.
        own: [n] fields of the model itself.
        spins: [R / 32, n, 32] of -1 and 1.
        fields: [R / 32, n, 32] local fields, of the same type as the spins.
        random: [R] uint32 generator states.
        flips: [1] so far, over all replicas.
        polished: [period, n] local minima found in the sweeps since the last multiple of the period.
        polished_energies: [period], infinite where none was looked for.
        clusters: how many cluster moves to offer after a sweep.
    """

    rows: Floats
    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    weights: Numbers
    own: Floats
    spins: Numbers
    fields: Numbers
    random: NDArray[np.uint32]
    flips: NDArray[np.int64]
    polished: NDArray[np.int8]
    polished_energies: NDArray[np.float64]
    clusters: int


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
    stored = stored_type(model, dtype)
    return SparseReplicas(
        rows=model.rows.astype(dtype),
        starts=model.starts,
        columns=model.columns,
        weights=model.rows[0].astype(stored),
        own=model.own.astype(dtype),
        spins=np.zeros(shape, stored),
        fields=np.zeros(shape, stored),
        random=rng.integers(1, 2**32, count, np.uint32),
        flips=np.zeros(1, np.int64),
        polished=np.zeros((period, model.n), np.int8),
        polished_energies=np.full(period, np.inf),
        clusters=clusters,
    )


@compiled
def sum_fields(replicas: SparseReplicas, energies: NDArray[np.float64]) -> None:
    """Compute all local fields, and the energies [R], from the states."""
    blocks, n, _ = replicas.spins.shape
    dtype = replicas.weights.dtype.type
    field = np.empty(LANES, replicas.weights.dtype)
    for b in range(blocks):
        spins, fields = replicas.spins[b].ravel(), replicas.fields[b]
        total = np.zeros(LANES)
        for i in range(n):
            field[:] = dtype(replicas.own[i])
            for k in range(replicas.starts[i], replicas.starts[i + 1]):
                weight, at = replicas.weights[k], LANES * np.int64(replicas.columns[k])
                for r in range(LANES):
                    field[r] = dtype(field[r] + dtype(weight * spins[at + r]))
            own = float(replicas.own[i])
            for r in range(LANES):
                fields[i, r] = field[r]
                total[r] += 0.5 * float(spins[i * LANES + r]) * (own + float(field[r]))
        energies[b * LANES : (b + 1) * LANES] = total


@compiled
def _polish(
    replicas: SparseReplicas, replica: int, energy: float, least: float, slot: int, spins: Floats, fields: Floats
) -> None:
    """Put the local minimum that a copy of a replica descends to into a slot; `spins` and `fields` [n] are scratch."""
    block, lane = replica // LANES, replica % LANES
    for i in range(spins.size):
        spins[i] = replicas.spins[block, i, lane]
        fields[i] = replicas.fields[block, i, lane]
    energy += descend(replicas.rows, replicas.starts, replicas.columns, spins, fields, least)
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
    spins, fields = np.empty(n, replicas.own.dtype), np.empty(n, replicas.own.dtype)
    changes, slopes = np.zeros(count, replicas.own.dtype), np.empty(count, replicas.own.dtype)
    best = replicas.polished_energies.min()
    for sweep in range(first, last):
        for t in range(count):
            slopes[ladder.at[t]] = -2.0 * ladder.betas[t]
        changes[:] = 0
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
                    replicas.starts,
                    replicas.columns,
                    replicas.weights,
                )
        lowest = 0
        for r in range(count):
            ladder.energies[r] += float(changes[r])
            if ladder.energies[r] < ladder.energies[lowest]:
                lowest = r
        if replicas.clusters > 0:
            move_clusters(replicas, ladder)
        better = ladder.energies[lowest] < best
        if better or sweep % SWEEPS_BETWEEN_DESCENTS == 0:
            cold = ladder.at[sweep // SWEEPS_BETWEEN_DESCENTS % max(count // 4, 1)]
            chosen, slot = lowest if better else cold, sweep % period
            _polish(replicas, chosen, ladder.energies[chosen], least, slot, spins, fields)
            best = min(best, replicas.polished_energies[slot])
        exchange(ladder, sweep)
        if best <= target:
            return sweep + 1
    return last


class SparseEngine(SpinEngine):
    """Parallel tempering of a sparse model; the number of replicas is a multiple of 32."""

    def __init__(
        self, model: SpinModel, dtype: type[np.floating[Any]], rng: np.random.Generator, **settings: Any
    ) -> None:
        # A harvest takes about as long as some ten thousand visits of a spin.
        period = int(np.clip(1_000_000 // max(model.n * settings["replicas"], 1), 16, 256))
        clusters = settings["replicas"] // 16 if clusters_pay(model, rng) else 0
        replicas = sparse_replicas(model, settings["replicas"], dtype, period, clusters, rng)
        couplings = Couplings(replicas.rows, replicas.starts, replicas.columns, replicas.own)
        self._replicas, self._searches = replicas, TabuSearches(model, couplings, 1, rng)
        # Sweeps between two searches, and until the next.
        self._least_wait = period * math.ceil(_LEAST_WAIT * model.n / period)
        self._wait = self._next_search = self._least_wait
        # Best energies that descents found since the last search, and that anything found before.
        self._descended = self._lowest = math.inf
        super().__init__(model, rng=rng, period=period, **settings)

    def set_states(self, states: NDArray[np.int8]) -> None:
        """See `SpinEngine.set_states`."""
        blocks, n, lanes = self._replicas.spins.shape
        self._replicas.spins[:] = states.reshape(blocks, lanes, n).transpose(0, 2, 1)
        self._searches.forget_parents()
        self._descended = self._lowest = math.inf

    def sum_fields(self) -> None:
        """See `SpinEngine.sum_fields`."""
        sum_fields(self._replicas, self.ladder.energies)

    def temper(self, ladder: Ladder, first: int, last: int) -> int:
        """See `SpinEngine.temper`."""
        if first % self.period == 0:
            self._replicas.polished_energies[:] = np.inf
        started = time.perf_counter()
        done = temper_sparse(self._replicas, ladder, first, last, self.model.least_gain, self.target)
        self.sweeping += time.perf_counter() - started
        self._searches.energies[:] = np.inf
        self._descended = min(self._descended, self._replicas.polished_energies.min())
        if done == self._next_search and self.model.n <= _MOST_SEARCHED:
            self._search(ladder)
        return done

    def _search(self, ladder: Ladder) -> None:
        """Search by tabu, the more often the more it brings.

        On some models, as those with penalties, it finds what sweeps do not, and on others nothing at all.
        """
        self._searches.search(0, ladder, self.state)
        found, least = float(self._searches.energies[0]), self.model.least_gain
        if found < min(self._descended, self._lowest) - least:
            self._wait = max(self._wait // 2, self._least_wait)
        elif self._descended < self._lowest - least:
            self._wait *= 2
        self._lowest, self._descended = min(found, self._descended, self._lowest), math.inf
        self._next_search += self._wait

    def polished_energies(self) -> NDArray[np.float64]:
        """See `SpinEngine.polished_energies`."""
        return np.concatenate([self._replicas.polished_energies, self._searches.energies])

    def polished(self, index: int) -> NDArray[np.int8]:
        """See `SpinEngine.polished`."""
        descended = self._replicas.polished
        return np.array(descended[index] if index < len(descended) else self._searches.found[0], np.int8)

    def state(self, replica: int) -> NDArray[np.int8]:
        """See `SpinEngine.state`."""
        block, lane = divmod(replica, LANES)
        return np.array(self._replicas.spins[block, :, lane], np.int8)

    def flips(self) -> int:
        """See `SpinEngine.flips`."""
        return int(self._replicas.flips[0])

    def report(self) -> dict[str, Any]:
        """See `Engine.report`."""
        return {
            **super().report(),
            "kernel": "sparse",
            "cluster_moves": self._replicas.clusters > 0,
            "tabu_searches": self._searches.count,
        }

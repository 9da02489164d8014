"""Dense models: one replica after the other, 32 spins looked at together.

What a flip costs is its row, so nothing else may: the thresholds of a whole sweep are drawn at once, and cold replicas
pass 32 spins with one comparison. A spin decides by the fields as they are when its turn comes, as in any sweep in
order.
"""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qubo_backends._jit import compiled
from qubo_backends._pt.elite import Elite
from qubo_backends._pt.engine import SpinEngine
from qubo_backends._pt.ladder import Ladder, exchange
from qubo_backends._pt.simd import LANES, draw_thresholds, eager, lowest_bit
from qubo_backends._pt.spins import SpinModel, add_row
from qubo_backends._pt.tabu import tabu_search

Floats = NDArray[np.float32] | NDArray[np.float64]

# After so many sweeps so many tabu searches follow; they take about twice as long as the sweeps.
_PERIOD, _SEARCHES = 8, 2
# It ends after so many flips per spin, and so many besides, that brought nothing better.
_PATIENCE, _PATIENCE_BESIDES = 5, 500
# States that searches recombine.
_PARENTS = 16


class DenseReplicas(NamedTuple):
    """States of all replicas and the couplings in their precision; changed in place.

    Attributes:
        rows: of the couplings, see `SpinModel`; int8 where that holds them.
        starts, columns: of sparse rows.
        own: [n] fields of the model itself.
        spins, fields: [R, m] of -1 and 1, m the next multiple of 32 from n on; what is beyond n does not count.
        random: [R, 32] uint32 generator states.
        flips: [1] so far, over all replicas.
    """

    rows: NDArray[Any]
    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    own: Floats
    spins: Floats
    fields: Floats
    random: NDArray[np.uint32]
    flips: NDArray[np.int64]


def row_type(model: SpinModel, dtype: type[np.floating[Any]]) -> type[np.number[Any]]:
    """int8 where that holds dense rows, a quarter of what has to come from memory; else the type of the fields."""
    largest = max(model.rows.max(initial=0.0), -model.rows.min(initial=0.0))
    return np.int8 if model.dense and model.whole and largest <= np.iinfo(np.int8).max else dtype


def dense_replicas(
    model: SpinModel, count: int, dtype: type[np.floating[Any]], rng: np.random.Generator
) -> DenseReplicas:
    """Replicas without states; their fields are valid after `sum_fields`."""
    spins = np.zeros((count, -(-model.n // LANES) * LANES), dtype)
    return DenseReplicas(
        rows=model.rows.astype(row_type(model, dtype)),
        starts=model.starts,
        columns=model.columns,
        own=model.own.astype(dtype),
        spins=spins,
        fields=np.zeros_like(spins),
        random=rng.integers(1, 2**32, (count, LANES), np.uint32),
        flips=np.zeros(1, np.int64),
    )


@compiled
def sum_fields_of(replicas: DenseReplicas, spins: Floats, fields: Floats) -> float:
    """Compute the local fields [n] of one state [n]; returns its energy."""
    fields[:] = replicas.own
    for i in range(fields.size):
        add_row(fields, replicas.rows, replicas.starts, replicas.columns, i, spins[i])
    total = 0.0
    for i in range(fields.size):
        total += float(spins[i]) * (float(replicas.own[i]) + float(fields[i]))
    return total / 2.0


@compiled
def sum_fields(replicas: DenseReplicas, energies: NDArray[np.float64]) -> None:
    """Compute all local fields, and the energies [R], from the states."""
    n = replicas.own.size
    for r in range(energies.size):
        energies[r] = sum_fields_of(replicas, replicas.spins[r, :n], replicas.fields[r, :n])


@compiled
def _sweep(replicas: DenseReplicas, replica: int, beta: float, thresholds: Floats) -> float:
    """Offer every spin of a replica a flip; returns the change of its energy."""
    n = replicas.own.size
    spins, fields = replicas.spins[replica], replicas.fields[replica]
    draw_thresholds(thresholds, replicas.random[replica], thresholds.dtype.type(0.5 / beta))
    change, flips = 0.0, 0
    for first in range(0, n, LANES):
        allowed = np.uint32(0xFFFFFFFF)
        if n - first < LANES:
            allowed = np.uint32((np.uint32(1) << np.uint32(n - first)) - np.uint32(1))
        ready = np.uint32(eager(spins, fields, thresholds, first) & allowed)
        while ready != np.uint32(0):
            bit = lowest_bit(ready)
            i = first + bit
            change -= 2.0 * spins[i] * fields[i]
            flips += 1
            add_row(fields[:n], replicas.rows, replicas.starts, replicas.columns, i, -(spins[i] + spins[i]))
            spins[i] = -spins[i]
            # Spins up to this one had their turn.
            allowed = np.uint32(allowed & np.uint32(np.uint32(0xFFFFFFFE) << np.uint32(bit)))
            ready = np.uint32(eager(spins, fields, thresholds, first) & allowed)
    replicas.flips[0] += flips
    return change


@compiled
def temper_dense(replicas: DenseReplicas, ladder: Ladder, first: int, last: int) -> None:
    """Run sweeps `first` to `last - 1`, each followed by exchanges."""
    thresholds = np.empty(replicas.spins.shape[1], replicas.own.dtype)
    for sweep in range(first, last):
        for t in range(ladder.betas.size):
            r = ladder.at[t]
            ladder.energies[r] += _sweep(replicas, r, ladder.betas[t], thresholds)
        exchange(ladder, sweep)


class DenseEngine(SpinEngine):
    """Parallel tempering of a dense model, with tabu searches from cold replicas and from recombined elite states.

    Source of the recombination: Lu, Glover & Hao 2010.
    """

    def __init__(
        self, model: SpinModel, dtype: type[np.floating[Any]], rng: np.random.Generator, **settings: Any
    ) -> None:
        self._replicas = dense_replicas(model, settings["replicas"], dtype, rng)
        self._rests = np.zeros(model.n, np.int32)
        self._found, self._found_energies = np.zeros((_SEARCHES, model.n), np.int8), np.full(_SEARCHES, np.inf)
        self._parents, self._searches = Elite(_PARENTS), 0
        super().__init__(model, rng=rng, period=_PERIOD, **settings)

    def set_states(self, states: NDArray[np.int8]) -> None:
        """See `SpinEngine.set_states`."""
        self._replicas.spins[:, : self.model.n] = states
        self._parents = Elite(_PARENTS)

    def sum_fields(self) -> None:
        """See `SpinEngine.sum_fields`."""
        sum_fields(self._replicas, self.ladder.energies)

    def temper(self, ladder: Ladder, first: int, last: int) -> int:
        """See `SpinEngine.temper`; ends with a search where a period ends, and after the first sweep."""
        started = time.perf_counter()
        temper_dense(self._replicas, ladder, first, last)
        self.sweeping += time.perf_counter() - started
        self._found_energies[:] = math.inf
        if last % self.period == 0 or last == 1:
            for slot in range(len(self._found)):
                self._search(slot)
        return last

    def _search(self, slot: int) -> None:
        """A tabu search, by turns from a cold replica and from a mixture of two elite states."""
        n, replicas = self.model.n, self._replicas
        self._searches += 1
        if self._searches % 2 == 0 and len(self._parents) > 1:
            one, other = self._rng.choice(len(self._parents), 2, replace=False)
            known = self._parents.states
            spins = np.where(self._rng.integers(0, 2, n, np.int8) == 1, known[one], known[other]).astype(
                replicas.own.dtype
            )
            fields = np.empty_like(spins)
            energy = sum_fields_of(replicas, spins, fields)
        else:
            cold = self.ladder.at[self._searches // 2 % max(len(self.ladder.betas) // 4, 1)]
            spins, fields = replicas.spins[cold, :n].copy(), replicas.fields[cold, :n].copy()
            energy = self.ladder.energies[cold]
        patience = _PATIENCE * n + _PATIENCE_BESIDES
        rows = replicas.rows, replicas.starts, replicas.columns
        least, random = self.model.least_gain, self.ladder.random
        found = self._found[slot]
        found_energy = energy + tabu_search(*rows, spins, fields, least, patience, random, self._rests, found)
        self._found_energies[slot] = found_energy
        self._parents.offer(found, found_energy)

    def polished_energies(self) -> NDArray[np.float64]:
        """See `SpinEngine.polished_energies`: of what the last searches found."""
        return self._found_energies

    def polished(self, index: int) -> NDArray[np.int8]:
        """See `SpinEngine.polished`."""
        return np.array(self._found[index], np.int8)

    def state(self, replica: int) -> NDArray[np.int8]:
        """See `SpinEngine.state`."""
        return self._replicas.spins[replica, : self.model.n].astype(np.int8)

    def flips(self) -> int:
        """See `SpinEngine.flips`."""
        return int(self._replicas.flips[0])

    def report(self) -> dict[str, Any]:
        """See `Engine.report`."""
        return {**super().report(), "kernel": "dense", "tabu_searches": self._searches}

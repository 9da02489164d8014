"""Dense models: one replica after the other, 32 spins looked at together.

What a flip costs is its row, so nothing else may: the thresholds of a whole sweep are drawn at once, and cold replicas
pass 32 spins with one comparison. A spin decides by the fields as they are when its turn comes, as in any sweep in
order.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.ladder import Ladder, exchange
from qubo_backends._pt.pace import Pace
from qubo_backends._pt.spins.conflict_tabu import ConflictTabu
from qubo_backends._pt.spins.conflicts import conflicts_of
from qubo_backends._pt.spins.descent import descend_all
from qubo_backends._pt.spins.engine import CONFLICT, SWEEPS, TABU, SpinEngine
from qubo_backends._pt.spins.model import Couplings, Floats, SpinModel, add_row, sum_state_fields
from qubo_backends._pt.spins.simd import LANES, draw_thresholds, lowest_bit, mask_ready
from qubo_backends._pt.spins.tabu_searches import TabuSearches
from qubo_backends._shared.jit import compiled, inner
from qubo_backends._shared.struct import Struct

# After so many sweeps, or more where they bring nothing, so many tabu searches follow; they take about twice as long as
# the sweeps.
_PERIOD, _SEARCHES = 8, 2
# Up to so many spins searches begin with the first sweep, else after this many: there they take seconds, and replicas
# that are still hot are poor starts.
_SEARCHED_AT_ONCE, _FIRST_SEARCH = 1000, 32


@dataclass(frozen=True, eq=False)
class DenseReplicas(Struct):
    """States of all replicas and the couplings in their precision; changed in place.

    Attributes:
        couplings: the model; its rows int8 where that holds them.
        spins, fields: [R, m] of -1 and 1, m the next multiple of 32 from n on; what is beyond n does not count.
        random: [R, 32] uint32 generator states.
        flips: [1] so far, over all replicas.
    """

    couplings: Couplings
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
        couplings=model.kernel_couplings(row_type(model, dtype), dtype),
        spins=spins,
        fields=np.zeros_like(spins),
        random=rng.integers(1, 2**32, (count, LANES), np.uint32),
        flips=np.zeros(1, np.int64),
    )


@compiled
def sum_fields(replicas: DenseReplicas, energies: NDArray[np.float64]) -> None:
    """Compute all local fields, and the energies [R], from the states."""
    n = replicas.couplings.own.size
    for r in range(energies.size):
        energies[r] = sum_state_fields(replicas.couplings, replicas.spins[r, :n], replicas.fields[r, :n])


@inner
def _sweep(replicas: DenseReplicas, replica: int, beta: float, thresholds: Floats) -> float:
    """Offer every spin of a replica a flip; returns the change of its energy."""
    n = replicas.couplings.own.size
    spins, fields = replicas.spins[replica], replicas.fields[replica]
    draw_thresholds(thresholds, replicas.random[replica], thresholds.dtype.type(0.5 / beta))
    change, flips = 0.0, 0
    for first in range(0, n, LANES):
        allowed = np.uint32(0xFFFFFFFF)
        if n - first < LANES:
            allowed = np.uint32((np.uint32(1) << np.uint32(n - first)) - np.uint32(1))
        ready = np.uint32(mask_ready(spins, fields, thresholds, first) & allowed)
        while ready != np.uint32(0):
            bit = lowest_bit(ready)
            i = first + bit
            change -= 2.0 * spins[i] * fields[i]
            flips += 1
            add_row(replicas.couplings, fields[:n], i, -(spins[i] + spins[i]))
            spins[i] = -spins[i]
            # Spins up to this one had their turn.
            allowed = np.uint32(allowed & np.uint32(np.uint32(0xFFFFFFFE) << np.uint32(bit)))
            ready = np.uint32(mask_ready(spins, fields, thresholds, first) & allowed)
    replicas.flips[0] += flips
    return change


@compiled
def temper_dense(replicas: DenseReplicas, ladder: Ladder, first: int, last: int) -> None:
    """Run sweeps `first` to `last - 1`, each followed by exchanges."""
    thresholds = np.empty(replicas.spins.shape[1], replicas.spins.dtype)
    for sweep in range(first, last):
        for t in range(ladder.betas.size):
            r = ladder.at[t]
            ladder.energies[r] += _sweep(replicas, r, ladder.betas[t], thresholds)
        exchange(ladder, sweep)


class DenseEngine(SpinEngine):
    """Parallel tempering of a dense model, with descents, and with tabu searches as often as they bring something."""

    def __init__(
        self, model: SpinModel, dtype: type[np.floating[Any]], rng: np.random.Generator, **settings: Any
    ) -> None:
        self._replicas = dense_replicas(model, settings["replicas"], dtype, rng)
        conflicts = conflicts_of(model)
        self._searches: TabuSearches | ConflictTabu
        if conflicts is None:
            self._searches = TabuSearches(model, self._replicas.couplings, _SEARCHES, rng)
        else:
            self._searches = ConflictTabu(model, conflicts, _SEARCHES)
        self._finder = TABU if conflicts is None else CONFLICT
        at_once = model.n <= _SEARCHED_AT_ONCE
        self._pace = Pace(_PERIOD, _PERIOD, _PERIOD if at_once else _FIRST_SEARCH)
        self._searches_first = at_once
        # The local minimum that the last descent reached.
        self._minimum, self._its_energy = np.zeros((1, model.n), dtype), math.inf
        self._descents = 0
        super().__init__(model, rng=rng, period=_PERIOD, searches=[self._finder], **settings)

    def compile(self) -> None:
        """See `SpinEngine.compile`."""
        self.sum_fields()
        temper_dense(self._replicas, self.ladder, 0, 0)
        descend_all(self._replicas.couplings, self._minimum[:0], self._minimum[:0], self.model.least_gain)
        self._searches.compile(self.ladder)

    def set_state(self, replica: int, state: NDArray[np.int8]) -> None:
        """See `SpinEngine.set_state`."""
        self._replicas.spins[replica, : self.model.n] = state

    def set_states(self, states: NDArray[np.int8]) -> None:
        """See `SpinEngine.set_states`."""
        self._replicas.spins[:, : self.model.n] = states
        self._searches.forget()
        self._pace.forget()

    def sum_fields(self) -> None:
        """See `SpinEngine.sum_fields`."""
        sum_fields(self._replicas, self.ladder.energies)

    def temper(self, ladder: Ladder, first: int, last: int) -> int:
        """See `SpinEngine.temper`; ends with a descent where a period ends, and after the first sweep."""
        started = time.perf_counter()
        temper_dense(self._replicas, ladder, first, last)
        self.sweeping += time.perf_counter() - started
        self._searches.energies[:], self._its_energy = math.inf, math.inf
        if last % self.period == 0 or last == 1:
            self._descend(ladder)
        if last == self._pace.next_search or (last == 1 and self._searches_first):
            for slot in range(_SEARCHES):
                self.ledger.did(self._finder, self._searches.search(slot, ladder, self.state))
            self._pace.searched(last, float(self._searches.energies.min()), self.model.least_gain)
        return last

    def _descend(self, ladder: Ladder) -> None:
        """From a cold replica, by turns."""
        replica, n = ladder.at[self._descents % max(len(ladder.at) // 4, 1)], self.model.n
        self._descents += 1
        self._minimum[0] = self._replicas.spins[replica, :n]
        fields = self._replicas.fields[replica : replica + 1, :n].copy()
        change = descend_all(self._replicas.couplings, self._minimum, fields, self.model.least_gain)
        self._its_energy = ladder.energies[replica] + change
        self._pace.descended(self._its_energy)

    def polished_energies(self) -> NDArray[np.float64]:
        """See `SpinEngine.polished_energies`: of what the last searches and the last descent found."""
        return np.append(self._searches.energies, self._its_energy)

    def polished(self, index: int) -> NDArray[np.int8]:
        """See `SpinEngine.polished`."""
        return np.array(self._searches.found[index] if index < _SEARCHES else self._minimum[0], np.int8)

    def polisher(self, index: int) -> str:
        """See `SpinEngine.polisher`."""
        return self._finder if index < _SEARCHES else SWEEPS

    def state(self, replica: int) -> NDArray[np.int8]:
        """See `SpinEngine.state`."""
        return self._replicas.spins[replica, : self.model.n].astype(np.int8)

    def flips(self) -> int:
        """See `SpinEngine.flips`."""
        return int(self._replicas.flips[0])

    def report(self) -> dict[str, Any]:
        """See `Engine.report`."""
        return {**super().report(), "kernel": "dense", "tabu_searches": self._searches.count}

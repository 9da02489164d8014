"""The engine of sparse models: sweeps of all replicas at once, with tabu searches as often as they bring something."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.ladder import Ladder
from qubo_backends._pt.pace import Pace
from qubo_backends._pt.spins.cluster_moves import clusters_pay
from qubo_backends._pt.spins.engine import SWEEPS, TABU, SpinEngine
from qubo_backends._pt.spins.model import SpinModel
from qubo_backends._pt.spins.simd import LANES
from qubo_backends._pt.spins.sparse import sparse_replicas, sum_fields, temper_sparse
from qubo_backends._pt.spins.tabu_searches import TabuSearches

# Sweeps between two tabu searches are this share of the number of spins: a search then takes about half as long as they
# do, whatever that number is. Where searches end lower than descents, they are fewer. More spins than these are not
# searched: it would hold back the clock.
_USUAL_WAIT, _MOST_SEARCHED = 1 / 8, 3000


class SparseEngine(SpinEngine):
    """Parallel tempering of a sparse model; the number of replicas is a multiple of 32."""

    def __init__(
        self, model: SpinModel, dtype: type[np.floating[Any]], rng: np.random.Generator, **settings: Any
    ) -> None:
        # A harvest takes about as long as some ten thousand visits of a spin.
        period = int(np.clip(1_000_000 // max(model.n * settings["replicas"], 1), 16, 256))
        clusters = settings["replicas"] // 16 if clusters_pay(model, rng) else 0
        replicas = sparse_replicas(model, settings["replicas"], dtype, period, clusters, rng)
        self._replicas, self._searches = replicas, TabuSearches(model, replicas.couplings, 1, rng)
        wait = period * math.ceil(_USUAL_WAIT * model.n / period)
        self._pace = Pace(period, wait, wait)
        super().__init__(model, rng=rng, period=period, **settings)

    def compile(self) -> None:
        """See `SpinEngine.compile`."""
        self.sum_fields()
        temper_sparse(self._replicas, self.ladder, 0, 0, self.model.least_gain, self.target)
        if self.model.n <= _MOST_SEARCHED:
            self._searches.compile(self.ladder)

    def set_state(self, replica: int, state: NDArray[np.int8]) -> None:
        """See `SpinEngine.set_state`."""
        block, lane = divmod(replica, LANES)
        self._replicas.spins[block, :, lane] = state

    def set_states(self, states: NDArray[np.int8]) -> None:
        """See `SpinEngine.set_states`."""
        blocks, n, lanes = self._replicas.spins.shape
        self._replicas.spins[:] = states.reshape(blocks, lanes, n).transpose(0, 2, 1)
        self._searches.forget_parents()
        self._pace.forget()

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
        self._pace.descended(float(self._replicas.polished_energies.min()))
        if done == self._pace.next_search and self.model.n <= _MOST_SEARCHED:
            self.ledger.did(TABU, self._searches.search(0, ladder, self.state))
            self._pace.searched(done, float(self._searches.energies[0]), self.model.least_gain)
        return done

    def polished_energies(self) -> NDArray[np.float64]:
        """See `SpinEngine.polished_energies`."""
        return np.concatenate([self._replicas.polished_energies, self._searches.energies])

    def polished(self, index: int) -> NDArray[np.int8]:
        """See `SpinEngine.polished`."""
        descended = self._replicas.polished
        return np.array(descended[index] if index < len(descended) else self._searches.found[0], np.int8)

    def polisher(self, index: int) -> str:
        """See `SpinEngine.polisher`."""
        return SWEEPS if index < len(self._replicas.polished) else TABU

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
            "cluster_moves": self._replicas.clusters is not None,
            "tabu_searches": self._searches.count,
        }

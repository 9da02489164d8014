"""The engine of sparse models: sweeps of all replicas at once, with searches as often as they bring something."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.ladder import Ladder
from qubo_backends._pt.pace import Pace
from qubo_backends._pt.spins.cluster_moves import clusters_pay
from qubo_backends._pt.spins.conflict_tabu import ConflictTabu
from qubo_backends._pt.spins.conflicts import conflicts_of
from qubo_backends._pt.spins.engine import CONFLICT, PROJECTED, SWEEPS, TABU, WALK, SpinEngine
from qubo_backends._pt.spins.model import SpinModel
from qubo_backends._pt.spins.projection import projection_of
from qubo_backends._pt.spins.simd import LANES
from qubo_backends._pt.spins.sparse import sparse_replicas, sum_fields, temper_sparse
from qubo_backends._pt.spins.tabu_searches import TabuSearches
from qubo_backends._pt.spins.walks import Walks

# Sweeps between two searches of a kind are this share of the number of spins: a search then takes about half as long as
# they do, whatever that number is. Where searches end lower than descents, they are fewer. More spins than these,
# without auxiliary ones where these are minimised out, are not searched: it would hold back the clock.
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
        self._replicas = replicas
        self._searches: dict[str, TabuSearches | Walks | ConflictTabu] = {}
        conflicts = conflicts_of(model)
        if conflicts is not None:
            self._searches[CONFLICT] = ConflictTabu(model, conflicts, 1)
        elif model.n <= _MOST_SEARCHED:
            self._searches[TABU] = TabuSearches(model, replicas.couplings, 1, rng)
        projection = projection_of(model)
        if projection is not None and len(projection.core) <= _MOST_SEARCHED:
            couplings = projection.couplings(dtype)
            self._searches[PROJECTED] = TabuSearches(model, couplings, 1, rng, projection)
            self._searches[WALK] = Walks(projection, couplings, rng)
        wait = period * math.ceil(_USUAL_WAIT * model.n / period)
        self._paces = {name: Pace(period, wait, wait) for name in self._searches}
        super().__init__(model, rng=rng, period=period, searches=self._searches, **settings)

    def compile(self) -> None:
        """See `SpinEngine.compile`."""
        self.sum_fields()
        temper_sparse(self._replicas, self.ladder, 0, 0, self.model.least_gain, self.target)
        for searches in self._searches.values():
            searches.compile(self.ladder)

    def set_state(self, replica: int, state: NDArray[np.int8]) -> None:
        """See `SpinEngine.set_state`."""
        block, lane = divmod(replica, LANES)
        self._replicas.spins[block, :, lane] = state

    def set_states(self, states: NDArray[np.int8]) -> None:
        """See `SpinEngine.set_states`."""
        blocks, n, lanes = self._replicas.spins.shape
        self._replicas.spins[:] = states.reshape(blocks, lanes, n).transpose(0, 2, 1)
        for searches, pace in zip(self._searches.values(), self._paces.values(), strict=True):
            searches.forget()
            pace.forget()

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
        self._note(float(self._replicas.polished_energies.min()))
        for name, searches in self._searches.items():
            searches.energies[:] = np.inf
            if done == self._paces[name].next_search:
                self.ledger.did(name, searches.search(0, ladder, self.state))
                found = float(searches.energies[0])
                self._paces[name].searched(done, found, self.model.least_gain)
                self._note(found, name)
        return done

    def _note(self, energy: float, finder: str = SWEEPS) -> None:
        """Tell all searches but the finder what they have to be better than."""
        for name, pace in self._paces.items():
            if name != finder:
                pace.descended(energy)

    def polished_energies(self) -> NDArray[np.float64]:
        """See `SpinEngine.polished_energies`."""
        return np.concatenate([self._replicas.polished_energies, *(each.energies for each in self._searches.values())])

    def polished(self, index: int) -> NDArray[np.int8]:
        """See `SpinEngine.polished`."""
        if index < len(self._replicas.polished):
            return np.array(self._replicas.polished[index], np.int8)
        return np.array(self._searches[self.polisher(index)].found[0])

    def polisher(self, index: int) -> str:
        """See `SpinEngine.polisher`."""
        place = index - len(self._replicas.polished)
        return SWEEPS if place < 0 else list(self._searches)[place]

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
            "tabu_searches": sum(each.count for name, each in self._searches.items() if name != WALK),
        }

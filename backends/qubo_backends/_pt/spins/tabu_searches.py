"""Tabu searches beside the sweeps, where descents end early: from cold replicas, and from recombined elite states.

Source of the recombination: Lu, Glover & Hao 2010.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.elite import Elite
from qubo_backends._pt.ladder import Ladder
from qubo_backends._pt.spins.model import Couplings, SpinModel
from qubo_backends._pt.spins.projection import Projection
from qubo_backends._pt.spins.tabu import tabu_search

# A search ends after so many flips per spin, and so many besides, that brought nothing better.
_PATIENCE, _PATIENCE_BESIDES = 5, 500
# States that searches recombine.
_PARENTS = 16


class TabuSearches:
    """Searches one after the other, and what the last of them found.

    Args:
        model: to be searched.
        couplings: the same in the precision of the replicas, or its projection.
        slots: how many results are kept.
        rng: of the recombinations.
        projection: of the model, or None to flip all its spins.

    Attributes:
        found: [slots, n] states.
        energies: [slots], up to rounding; infinite where nothing was looked for.
        count: searches so far.
    """

    def __init__(
        self,
        model: SpinModel,
        couplings: Couplings,
        slots: int,
        rng: np.random.Generator,
        projection: Projection | None = None,
    ) -> None:
        self.found, self.energies, self.count = np.zeros((slots, model.n), np.int8), np.full(slots, np.inf), 0
        self._model, self._couplings, self._rng, self._projection = model, couplings, rng, projection
        flipped = couplings.own.size
        self._rests, self._best, self._parents = (
            np.zeros(flipped, np.int32),
            np.zeros(flipped, np.int8),
            Elite(_PARENTS),
        )

    def forget(self) -> None:
        """Recombine nothing that was found so far."""
        self._parents = Elite(_PARENTS)

    def compile(self, ladder: Ladder) -> None:
        """Compile the kernel that this model needs, or load it from disk."""
        spins, fields = np.ones_like(self._couplings.own), np.empty_like(self._couplings.own)
        tabu_search(self._couplings, spins, fields, self._model.least_gain, 0, ladder.random, self._rests, self._best)

    def search(self, slot: int, ladder: Ladder, state: Callable[[int], NDArray[np.int8]]) -> int:
        """By turns from a cold replica and from a mixture of two elite states.

        Args:
            slot: receives what is found.
            ladder: says what is cold, and draws.
            state: [n] of a replica.

        Returns:
            The number of flips that were looked at, n for each that was made.
        """
        couplings, projection, best = self._couplings, self._projection, self._best
        n = best.size
        self.count += 1
        if self.count % 2 == 0 and len(self._parents) > 1:
            one, other = self._rng.choice(len(self._parents), 2, replace=False)
            known = self._parents.states
            start = np.where(self._rng.integers(0, 2, n, np.int8) == 1, known[one], known[other])
        else:
            start = state(ladder.at[self.count // 2 % max(len(ladder.betas) // 4, 1)])
            start = start if projection is None else start[projection.core]
        spins, fields = start.astype(couplings.own.dtype), np.empty_like(couplings.own)
        patience = _PATIENCE * n + _PATIENCE_BESIDES
        least = self._model.least_gain
        energy, flips = tabu_search(couplings, spins, fields, least, patience, ladder.random, self._rests, best)
        self.found[slot] = best if projection is None else projection.completed(best)
        self.energies[slot] = energy
        self._parents.offer(best, energy)
        return n * int(flips)

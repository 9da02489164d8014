"""Tabu searches beside the sweeps, where descents end early: from cold replicas, and from recombined elite states.

Source of the recombination: Lu, Glover & Hao 2010.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.elite import Elite
from qubo_backends._pt.ladder import Ladder
from qubo_backends._pt.spins.model import Couplings, SpinModel
from qubo_backends._pt.spins.tabu import tabu_search

# A search ends after so many flips per spin, and so many besides, that brought nothing better.
_PATIENCE, _PATIENCE_BESIDES = 5, 500
# States that searches recombine.
_PARENTS = 16


class Pace:
    """When to search: the more often, the more it brings.

    On some models, as those with penalties, searches find what sweeps and descents do not, and on others nothing. Where
    neither finds anything new, it counts which of them ends lower.

    Args:
        least_wait: sweeps between two searches, at least.
        usual_wait: sweeps between two searches while both do equally well, a multiple of the least.
        first: sweeps before the first one.

    Attributes:
        next_search: sweeps after which to search.
    """

    def __init__(self, least_wait: int, usual_wait: int, first: int) -> None:
        self.next_search = first
        self._least_wait, self._usual_wait = least_wait, usual_wait
        self._wait = usual_wait
        self.forget()

    def forget(self) -> None:
        """Compare with nothing that was found so far."""
        # Best energies that descents found since the last search, and that anything found before.
        self._descended = self._lowest = math.inf

    def descended(self, energy: float) -> None:
        """Note the energy of a state that a descent reached."""
        self._descended = min(self._descended, energy)

    def searched(self, sweeps: int, found: float, least: float) -> None:
        """Note what a search found, and set the next one.

        Args:
            sweeps: done so far.
            found: least energy of the search.
            least: half of the least change that counts.
        """
        new = found < min(self._descended, self._lowest) - least
        lower = found < self._descended - least and self._wait <= self._usual_wait
        if not new and self._descended < self._lowest - least:
            self._wait *= 2
        elif new or lower:
            self._wait = max(self._wait // (2 * self._least_wait), 1) * self._least_wait
        elif self._wait < self._usual_wait:
            self._wait = min(2 * self._wait, self._usual_wait)
        self._lowest, self._descended = min(found, self._descended, self._lowest), math.inf
        self.next_search = sweeps - sweeps % self._least_wait + self._wait


class TabuSearches:
    """Searches one after the other, and what the last of them found.

    Args:
        model: to be searched.
        couplings: the same in the precision of the replicas.
        slots: how many results are kept.
        rng: of the recombinations.

    Attributes:
        found: [slots, n] states.
        energies: [slots], up to rounding; infinite where nothing was looked for.
        count: searches so far.
    """

    def __init__(self, model: SpinModel, couplings: Couplings, slots: int, rng: np.random.Generator) -> None:
        self.found, self.energies, self.count = np.zeros((slots, model.n), np.int8), np.full(slots, np.inf), 0
        self._model, self._couplings, self._rng = model, couplings, rng
        self._rests, self._parents = np.zeros(model.n, np.int32), Elite(_PARENTS)

    def forget_parents(self) -> None:
        """Recombine nothing that was found so far."""
        self._parents = Elite(_PARENTS)

    def search(self, slot: int, ladder: Ladder, state: Callable[[int], NDArray[np.int8]]) -> None:
        """By turns from a cold replica and from a mixture of two elite states.

        Args:
            slot: receives what is found.
            ladder: says what is cold, and draws.
            state: [n] of a replica.
        """
        n, couplings = self._model.n, self._couplings
        self.count += 1
        if self.count % 2 == 0 and len(self._parents) > 1:
            one, other = self._rng.choice(len(self._parents), 2, replace=False)
            known = self._parents.states
            start = np.where(self._rng.integers(0, 2, n, np.int8) == 1, known[one], known[other])
        else:
            start = state(ladder.at[self.count // 2 % max(len(ladder.betas) // 4, 1)])
        spins, fields = start.astype(couplings.own.dtype), np.empty_like(couplings.own)
        patience = _PATIENCE * n + _PATIENCE_BESIDES
        least, found = self._model.least_gain, self.found[slot]
        self.energies[slot] = tabu_search(couplings, spins, fields, least, patience, ladder.random, self._rests, found)
        self._parents.offer(found, self.energies[slot])

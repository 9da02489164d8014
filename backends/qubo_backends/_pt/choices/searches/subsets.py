"""Searches of subsets of a given size beside the sweeps: from cold replicas, and from recombined states.

Source of the recombination: Lu, Glover & Hao 2010, see `qubo_backends._pt.spins.tabu_searches`; members of both parents
stay, and as many of those of one are drawn as are missing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel, least_change
from qubo_backends._pt.choices.replicas import replicas_of
from qubo_backends._pt.choices.searches.pacing import Parents
from qubo_backends._pt.choices.searches.subset_tabu import find_subsets, search_subsets

# A search ends after so many steps per site, and so many besides, that brought nothing better.
_PATIENCE, _PATIENCE_BESIDES = 5, 500
# Sweeps between two searches.
_WAIT = 4


class SubsetSearches:
    """Searches one after the other, by turns in all subsets of a model; other sites stay as they are.

    Args:
        model: to be searched.
        rng: of every random choice.

    Attributes: see `qubo_backends._pt.choices.searches.pacing.Kind`.
    """

    wait, before = _WAIT, 0

    def __init__(self, model: ChoiceModel, rng: np.random.Generator) -> None:
        self.count = self.moves = 0
        self.least = least_change(model)
        self._model, self._rng, self._parents = model, rng, Parents()
        self._subsets = find_subsets(model)

    @property
    def useful(self) -> bool:
        """Return whether there is a subset to search."""
        return bool(self._subsets)

    def compile(self) -> None:
        """Compile (or load from disk) the kernel if this model needs it."""
        for sites in self._subsets[:1]:
            self._search(sites, np.zeros(len(self._model.sizes), np.int32), patience=0)

    def search(self, known: NDArray[np.int32], cold: NDArray[np.int32] | None) -> tuple[NDArray[np.int32], float]:
        """Search once, by turns from a cold state and from what searches found; see `Kind.search`."""
        sites = self._subsets[self.count // 2 % len(self._subsets)]
        start = known if cold is None else cold
        if self.count % 2 and len(self._parents) > 1:
            start = self._recombined(sites)
        self.count += 1
        found, energy = self._search(sites, start, _PATIENCE * len(sites) + _PATIENCE_BESIDES)
        self._parents.offer(found, energy)
        return found, energy

    def _recombined(self, sites: NDArray[np.int64]) -> NDArray[np.int32]:
        """One parent, whose sites that differ in the other are drawn anew, as many of them on as before."""
        one, other = self._parents.pair(self._rng)
        apart = sites[one[sites] != other[sites]]
        mixed: NDArray[np.int32] = one.copy()
        mixed[apart] = mixed[self._rng.permutation(apart)]
        return mixed

    def _search(
        self, sites: NDArray[np.int64], start: NDArray[np.int32], patience: int
    ) -> tuple[NDArray[np.int32], float]:
        """Search one subset from a state [all sites]; see `Kind.search` for what is returned."""
        found, rests = start.copy(), np.zeros(len(sites), np.int64)
        replicas = replicas_of(self._model, found[None], self._rng)
        energy, steps = search_subsets(self._model, replicas, sites, rests, patience, self.least, found, np.zeros(0))
        self.moves += steps * len(sites)
        return found, energy

"""Searches of assignments beside the sweeps: from cold replicas, and from recombined states that searches found.

Source of the recombination: Merz & Freisleben 2000, "Fitness landscape analysis and memetic algorithms for the
quadratic assignment problem".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel, least_change
from qubo_backends._pt.choices.replicas import replicas_of
from qubo_backends._pt.choices.searches.assignment_structure import coupling_matrix, find_assignments, place_variables
from qubo_backends._pt.choices.searches.pacing import Parents
from qubo_backends._pt.choices.searches.swap_tabu import new_tables, search_swaps
from qubo_backends._pt.choices.searches.tours import Tour, find_tour, search_tours

# A search ends after so many exchanges, or descents of a tour, for every site that brought nothing better; of large
# assignments sooner, since each looks at all pairs, of which a search is to see no more than this in vain.
_EXCHANGES, _DESCENTS, _MOST_PAIRS = 100, 10, 20_000_000
# Looks at all pairs that a descent takes.
_PASSES = 10
# Sweeps between two searches; a search takes several times as long.
_WAIT = 4


class AssignmentSearches:
    """Searches one after the other, by turns in all assignments of a model; sites of no assignment stay as they are.

    Args:
        model: to be searched.
        rng: of every random choice.

    Attributes: see `qubo_backends._pt.choices.searches.pacing.Kind`.
    """

    wait, before = _WAIT, 0

    def __init__(self, model: ChoiceModel, rng: np.random.Generator) -> None:
        self.count = self.moves = 0
        self._model, self._rng = model, rng
        self._parents = Parents()
        self.least = least_change(model)
        self._assignments = find_assignments(model)
        self._tours: list[Tour | None] = [None] * len(self._assignments)
        # Tours of more than a few places are sparse.
        if self._assignments and model.columns.size:
            self._couplings = coupling_matrix(model)
            self._tours = [find_tour(self._couplings, place_variables(model, each)) for each in self._assignments]

    @property
    def useful(self) -> bool:
        """Return whether there is an assignment to search."""
        return bool(self._assignments)

    def compile(self) -> None:
        """Compile (or load from disk) the kernels that this model needs."""
        for which, sites in enumerate(self._assignments):
            state = np.zeros(len(self._model.sizes), np.int32)
            state[sites] = np.arange(len(sites))
            self._search(which, state, patience=0)

    def search(self, known: NDArray[np.int32], cold: NDArray[np.int32] | None) -> tuple[NDArray[np.int32], float]:
        """Search once, by turns from a cold state and from what searches found; see `Kind.search`."""
        which = self.count // 2 % len(self._assignments)
        start = known if cold is None else cold
        if self.count % 2 and len(self._parents) > 1:
            start = self._parents.best if self._tours[which] else self._recombined(self._assignments[which])
        self.count += 1
        found, energy = self._search(which, start)
        self._parents.offer(found, energy)
        return found, energy

    def _recombined(self, sites: NDArray[np.int64]) -> NDArray[np.int32]:
        """One parent, whose sites that the other has elsewhere change places at random."""
        one, other = self._parents.pair(self._rng)
        apart = sites[one[sites] != other[sites]]
        mixed: NDArray[np.int32] = one.copy()
        mixed[apart] = mixed[self._rng.permutation(apart)]
        return mixed

    def _search(
        self, which: int, start: NDArray[np.int32], patience: int | None = None
    ) -> tuple[NDArray[np.int32], float]:
        """Search one assignment from a state [sites]; see `search` for what is returned."""
        sites, tour, found = self._assignments[which], self._tours[which], start.copy()
        n = len(sites)
        exchanges, descents = (
            min(_EXCHANGES * n, _MOST_PAIRS // n**2),
            min(_DESCENTS * n, _MOST_PAIRS // _PASSES // n**2),
        )
        if patience is not None:
            exchanges = descents = patience
        if tour is not None:
            # Exchanges follow: of tours with a direction, reversals miss much.
            found[sites] = self._searched_tour(tour, sites, start, descents)
        replicas = replicas_of(self._model, found[None], self._rng)
        tables = new_tables(n)
        energy, made = search_swaps(self._model, replicas, sites, tables, exchanges, self.least, found, np.zeros(0))
        self.moves += made * (n * (n - 1) // 2)
        return found, energy

    def _searched_tour(
        self, tour: Tour, sites: NDArray[np.int64], start: NDArray[np.int32], patience: int
    ) -> NDArray[np.int32]:
        """[n] places of the sites after a search from a state [all sites]."""
        model, variables = self._model, tour.variables
        taken = np.zeros(len(model.linear))
        others = np.delete(np.arange(len(start)), sites)
        others = others[start[others] >= model.offs[others]]
        taken[model.firsts[others] + start[others] - model.offs[others]] = 1.0
        linear = (model.linear + self._couplings @ taken)[variables]
        taken[:] = 0.0
        taken[model.firsts[sites] + start[sites]] = 1.0
        things = taken[variables].argmax(axis=1)
        best, random = np.empty_like(things), self._rng.integers(0, 2**64, 1, np.uint64)
        self.moves += search_tours(tour, linear, patience, self.least, random, things, best)
        taken[:] = 0.0
        taken[variables[np.arange(len(best)), best]] = 1.0
        return np.asarray(taken[place_variables(model, sites)].argmax(axis=1), np.int32)

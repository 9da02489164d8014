"""Assignments, as many sites as places and each place taken once: where a model has them, and searches of them.

See `RecombiningSearches`. Tours among them are searched from the best known one instead of recombined ones.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.searches.recombining import RecombiningSearches
from qubo_backends._pt.choices.searches.swap_tabu import new_tables, search_swaps
from qubo_backends._pt.choices.searches.tours import Tour, find_tour, search_tours

# Sweeps see all of smaller ones at once.
_FEWEST = 6
# A search ends after so many exchanges, or descents of a tour, for every site that brought nothing better; of large
# assignments sooner, since each looks at all pairs, of which a search is to see no more than this in vain.
_EXCHANGES, _DESCENTS, _MOST_PAIRS = 100, 10, 20_000_000
# Looks at all pairs that a descent takes.
_PASSES = 10


def find_assignments(model: ChoiceModel) -> list[NDArray[np.int64]]:
    """[n] sites of every assignment of the model, option p of which is place p; none of a model with a low-rank form.

    Every option of an assignment's sites is in an equality that holds one of them, and the sites are in no other
    constraint, so that any two of them may exchange their places.
    """
    if not model.inequalities or model.factor is not None:
        return []
    bound = set(model.members[model.member_starts[model.inequalities] :].tolist())
    groups: dict[tuple[int, ...], list[int]] = {}
    for site, (first, size) in enumerate(zip(model.firsts.tolist(), model.sizes.tolist(), strict=True)):
        if not model.offs[site] and site not in bound:
            groups.setdefault(tuple(model.equalities[first : first + size].tolist()), []).append(site)
    return [
        np.array(sites)
        for places, sites in groups.items()
        if len(sites) >= _FEWEST
        and min(places) >= 0
        and len(sites) == len(places) == len(set(places))
        and all(_holds_one(model, int(model.firsts[sites[0]]) + p) for p in range(len(places)))
    ]


def _holds_one(model: ChoiceModel, variable: int) -> bool:
    """Return whether exactly one of the variables of this one's equality is 1."""
    constraint, weight = model.equalities[variable], model.term_weights[model.terms[variable]]
    held = (model.lowers[constraint] + model.uppers[constraint]) / 2.0 - model.constants[constraint]
    return bool(abs(held - weight) < 0.5 * abs(weight))


def place_variables(model: ChoiceModel, sites: NDArray[np.int64]) -> NDArray[np.int64]:
    """[sites, places] the variables of an assignment."""
    return np.asarray(model.firsts[sites][:, None] + np.arange(len(sites)))


def coupling_matrix(model: ChoiceModel) -> scipy.sparse.csr_array:
    """[n, n] the couplings of a model with sparse rows."""
    n, entries = len(model.linear), int(model.starts[-1])
    return scipy.sparse.csr_array((model.values[:entries], model.columns[:entries], model.starts), shape=(n, n))


class AssignmentSearches(RecombiningSearches):
    """Searches of the assignments of a model.

    Args:
        model: to be searched.
        rng: of every random choice.

    Attributes: see `RecombiningSearches`.
    """

    def __init__(self, model: ChoiceModel, rng: np.random.Generator) -> None:
        super().__init__(model, find_assignments(model), rng)
        self._tours: list[Tour | None] = [None] * len(self._parts)
        # Tours of more than a few places are sparse.
        if self._parts and model.columns.size:
            self._couplings = coupling_matrix(model)
            self._tours = [find_tour(self._couplings, place_variables(model, each)) for each in self._parts]

    def compile(self) -> None:
        """Compile (or load from disk) the kernels that this model needs."""
        for part in range(len(self._parts)):
            self._compile(part)

    def _recombined(self, part: int) -> NDArray[np.int32]:
        return self._parents.best if self._tours[part] else super()._recombined(part)

    def _search(
        self, part: int, start: NDArray[np.int32], patience: int | None = None
    ) -> tuple[NDArray[np.int32], float]:
        sites, tour = self._parts[part], self._tours[part]
        n = len(sites)
        exchanges, descents = (
            min(_EXCHANGES * n, _MOST_PAIRS // n**2),
            min(_DESCENTS * n, _MOST_PAIRS // _PASSES // n**2),
        )
        if patience is not None:
            exchanges = descents = patience
        if tour is not None:
            # Exchanges follow: of tours with a direction, reversals miss much.
            places = self._searched_tour(tour, sites, start, descents)
            start = start.copy()
            start[sites] = places
        return self._tabu_searched(search_swaps, part, start, exchanges, new_tables(n), n * (n - 1) // 2)

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

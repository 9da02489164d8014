"""Subsets of a given size: where a model has them, and searches of them; see `RecombiningSearches`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.searches.recombining import RecombiningSearches
from qubo_backends._pt.choices.searches.subset_tabu import search_subsets

# Sweeps see all of smaller ones at once.
_FEWEST = 6
# A search ends after so many steps per site, and so many besides, that brought nothing better.
_PATIENCE, _PATIENCE_BESIDES = 5, 500


def find_subsets(model: ChoiceModel) -> list[NDArray[np.int64]]:
    """[n] free sites of every equality that fixes how many of them are on; none of a model with a low-rank form.

    All variables of the equality are such sites with the same weight, and they are in no other constraint.
    """
    if model.factor is not None:
        return []
    bound = set(model.members[model.member_starts[model.inequalities] :].tolist())
    free = np.flatnonzero((model.offs == 1) & (model.sizes == 2))
    found = []
    for constraint in range(model.inequalities):
        variables = np.flatnonzero(model.equalities == constraint)
        sites = free[np.isin(model.firsts[free], variables)]
        weights = model.term_weights[model.terms[variables]]
        if len(sites) == len(variables) >= _FEWEST and np.ptp(weights) == 0.0 and bound.isdisjoint(sites.tolist()):
            found.append(sites)
    return found


class SubsetSearches(RecombiningSearches):
    """Searches of the subsets of a model.

    Args:
        model: to be searched.
        rng: of every random choice.

    Attributes: see `RecombiningSearches`.
    """

    def __init__(self, model: ChoiceModel, rng: np.random.Generator) -> None:
        super().__init__(model, find_subsets(model), rng)

    def compile(self) -> None:
        """Compile (or load from disk) the kernel if this model needs it."""
        if self.useful:
            self._compile(0)

    def _search(
        self, part: int, start: NDArray[np.int32], patience: int | None = None
    ) -> tuple[NDArray[np.int32], float]:
        n = len(self._parts[part])
        if patience is None:
            patience = _PATIENCE * n + _PATIENCE_BESIDES
        return self._tabu_searched(search_subsets, part, start, patience, np.zeros(n, np.int64), n)

"""All kinds of search beside the sweeps, by their names in the ledger."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.searches.assignments import AssignmentSearches
from qubo_backends._pt.choices.searches.chains import ChainSearches
from qubo_backends._pt.choices.searches.pacing import Kind
from qubo_backends._pt.choices.searches.subsets import SubsetSearches

ASSIGNMENT, SUBSET, CHAIN = "assignment", "subset", "chain"
"""Names of the kinds."""


def kinds_of_search(
    model: ChoiceModel, scales: NDArray[np.float64], attempts_per_sweep: int, rng: np.random.Generator
) -> dict[str, Kind]:
    """Return name -> kind, in the order in which they search.

    Args:
        model: to be searched.
        scales: [constraints] > 0, units of violation.
        attempts_per_sweep: moves of a sweep, over all replicas.
        rng: of every random choice.
    """
    return {
        ASSIGNMENT: AssignmentSearches(model, rng),
        SUBSET: SubsetSearches(model, rng),
        CHAIN: ChainSearches(model, scales, attempts_per_sweep, rng),
    }

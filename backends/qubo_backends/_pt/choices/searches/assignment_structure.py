"""Assignments among the sites of a model: as many sites as places, each site in one place, each place taken once."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel

# Sweeps see all of smaller ones at once.
_FEWEST = 6


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

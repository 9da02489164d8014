"""Tabu search over subsets of a given size: the best member leaves, and then the best of the others enters.

Each step looks at every site once or twice, where all exchanges of a member for another would be as many as pairs.
What changed rests for a while, unless it leads to the best state of this search.

Source: Glover 1986; tenures as in Palubeckis 2006, shortened where few members or few others are left to choose from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.replicas import Replicas, change, resum
from qubo_backends._pt.choices.searches.record import copy, keep_lower
from qubo_backends._pt.random import below
from qubo_backends._shared.jit import inner, kernel

# A site rests for as many steps and up to as many more, but for no more than a share of the fewer side.
_TENURE, _SHARE = 10, 4


@inner
def _best_site(
    model: ChoiceModel,
    replicas: Replicas,
    sites: NDArray[np.int64],
    rests: NDArray[np.int64],
    step: int,
    option: int,
    wanted: float,
) -> tuple[int, float]:
    """The place in `sites` of the best change of a site with this option to the other one, and what it changes.

    Those that rest are left out unless the change is below `wanted`; the place is -1 where none is left.
    """
    fields, choices, random = replicas.fields[0], replicas.choices[0], replicas.random
    sign = 1.0 if option == 0 else -1.0
    smallest, ties, best = np.inf, 0, -1
    for k in range(sites.size):
        a = sites[k]
        if choices[a] != option:
            continue
        delta = sign * fields[model.firsts[a]]
        if delta > smallest or (rests[k] > step and delta >= wanted):
            continue
        # Of equal ones each with the same chance.
        ties = 1 if delta < smallest else ties + 1
        if ties == 1 or below(random, 0, ties) == 0:
            smallest, best = delta, k
    return best, smallest


@kernel
def search_subsets(
    model: ChoiceModel,
    replicas: Replicas,
    sites: NDArray[np.int64],
    rests: NDArray[np.int64],
    patience: int,
    least: float,
    best: NDArray[np.int32],
    projection: NDArray[np.float64],
) -> tuple[float, int]:
    """Search until as many steps as `patience` brought nothing better.

    Args:
        model: see there.
        replicas: one, in the state to start from; changed in place.
        sites: [n] of the subset; see `find_subsets`.
        rests: [n] scratch.
        patience: steps.
        least: the least change of the energy that counts.
        best: [all sites] receives the best state passed.
        projection: [0].

    Returns:
        The energy of `best`, up to rounding, and the number of steps.
    """
    choices, random = replicas.choices[0], replicas.random
    resum(model, replicas, projection)
    energy = lowest = replicas.energies[0]
    copy(choices, best)
    members = 0
    for k in range(sites.size):
        rests[k] = 0
        members += choices[sites[k]]
    tenure = min(_TENURE, min(members, sites.size - members) // _SHARE)
    step = found = 0
    while step - found < patience:
        step += 1
        left, loss = _best_site(model, replicas, sites, rests, step, 1, -np.inf)
        if left < 0:
            continue
        change(model, replicas, 0, sites[left], 0)
        # It may not come back at once.
        rests[left] = step + 1 + tenure + below(random, 0, tenure + 1)
        entered, gain = _best_site(model, replicas, sites, rests, step, 0, lowest - energy - loss - least)
        if entered < 0:
            entered, gain = left, -loss
        change(model, replicas, 0, sites[entered], 1)
        rests[entered] = step + 1 + tenure + below(random, 0, tenure + 1)
        energy += loss + gain
        if keep_lower(choices, energy, best, lowest, least):
            lowest, found = energy, step
    return float(lowest), step

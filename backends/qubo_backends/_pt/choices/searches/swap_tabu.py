"""Tabu search over all exchanges of places within an assignment.

The best exchange that is not tabu is made, uphill too. It is tabu if both sites return where they left not long ago,
unless it leads to the best state of this search. What an exchange changes follows from the fields, which are kept
anyway, and from four couplings of the two sites, which are kept in a table: an exchange changes two rows of it.

Source: Taillard 1991, "Robust taboo search for the quadratic assignment problem".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.energies import coupling
from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.replicas import Replicas, change, resum
from qubo_backends._pt.choices.searches.record import copy, keep_lower
from qubo_backends._pt.random import ONLY, below, uniform
from qubo_backends._shared.jit import inner, kernel
from qubo_backends._shared.struct import Struct

# A site keeps away from a place for as many exchanges as there are sites, within these bounds around it.
_TENURE, _TENURE_SPAN = 0.9, 0.2


@dataclass(frozen=True, eq=False)
class SwapTables(Struct):
    """Scratch arrays of a search over n sites.

    Attributes:
        moved: [n, n] change of the energy by one site in the place of another, which stays.
        pairs: [n, n] what is to be added where both go.
        rests: [n, n] exchange up to which a site keeps away from a place.
    """

    moved: NDArray[np.float64]
    pairs: NDArray[np.float64]
    rests: NDArray[np.int64]


def new_tables(count: int) -> SwapTables:
    """Tables of a search over so many sites."""
    return SwapTables(np.zeros((count, count)), np.zeros((count, count)), np.zeros((count, count), np.int64))


@inner
def _pair(model: ChoiceModel, choices: NDArray[np.int32], sites: NDArray[np.int64], a: int, b: int) -> float:
    """Couplings of two sites in each other's place and in their own, less those in the same place."""
    one, other = model.firsts[sites[a]], model.firsts[sites[b]]
    p, q = choices[sites[a]], choices[sites[b]]
    apart = coupling(model, one + q, other + p) + coupling(model, one + p, other + q)
    return apart - coupling(model, one + p, other + p) - coupling(model, one + q, other + q)


@kernel
def search_swaps(
    model: ChoiceModel,
    replicas: Replicas,
    sites: NDArray[np.int64],
    tables: SwapTables,
    patience: int,
    least: float,
    best: NDArray[np.int32],
    projection: NDArray[np.float64],
) -> tuple[float, int]:
    """Search until as many exchanges as `patience` brought nothing better.

    Args:
        model: see there.
        replicas: one, in the state to start from; changed in place.
        sites: [n] of the assignment; see `find_assignments`.
        tables: for as many sites.
        patience: exchanges.
        least: the least change of the energy that counts.
        best: [all sites] receives the best state passed.
        projection: [0].

    Returns:
        The energy of `best`, up to rounding, and the number of exchanges.
    """
    n, fields, choices, random = sites.size, replicas.fields[0], replicas.choices[0], replicas.random
    moved, pairs, rests = tables.moved, tables.pairs, tables.rests
    resum(model, replicas, projection)
    energy = lowest = replicas.energies[0]
    copy(choices, best)
    rests[:] = 0
    for a in range(n):
        for b in range(a):
            pairs[a, b] = pairs[b, a] = _pair(model, choices, sites, a, b)
    step = found = 0
    while step - found < patience:
        step += 1
        for a in range(n):
            first = model.firsts[sites[a]]
            now = fields[first + choices[sites[a]]]
            for b in range(n):
                moved[a, b] = fields[first + choices[sites[b]]] - now
        wanted, smallest, ties, one, other = lowest - energy - least, np.inf, 0, -1, -1
        for a in range(1, n):
            p = choices[sites[a]]
            for b in range(a):
                delta = moved[a, b] + moved[b, a] + pairs[a, b]
                if delta > smallest:
                    continue
                if delta >= wanted and rests[a, choices[sites[b]]] > step and rests[b, p] > step:
                    continue
                # Of equal ones each with the same chance.
                ties = 1 if delta < smallest else ties + 1
                if ties == 1 or below(random, ONLY, ties) == 0:
                    smallest, one, other = delta, a, b
        if one < 0:
            continue
        p, q = choices[sites[one]], choices[sites[other]]
        change(model, replicas, 0, sites[one], q)
        change(model, replicas, 0, sites[other], p)
        energy += smallest
        rests[one, p] = step + int(n * (_TENURE + _TENURE_SPAN * uniform(random, ONLY)))
        rests[other, q] = step + int(n * (_TENURE + _TENURE_SPAN * uniform(random, ONLY)))
        for k in range(n):
            if k != one:
                pairs[one, k] = pairs[k, one] = _pair(model, choices, sites, one, k)
            if k != other:
                pairs[other, k] = pairs[k, other] = _pair(model, choices, sites, other, k)
        if keep_lower(choices, energy, best, lowest, least):
            lowest, found = energy, step
    return float(lowest), step

"""All states that keep the one-hot groups, where they are few enough to be listed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.problem import Problem

Floats = NDArray[np.float64]
Site = Sequence[int | None]
MOST_STATES = 2**20


def own_energies(linear: Floats, site: Site) -> Floats:
    """[values] energy of a site's values by themselves; None is the value of a free variable that is 0."""
    return np.array([0.0 if v is None else linear[v] for v in site])


def pair_energies(matrix: Floats, rows: Site, columns: Site) -> Floats:
    """[values, values] energy of two sites' values together."""
    return np.array([[0.0 if u is None or v is None else matrix[u, v] for v in columns] for u in rows])


def energies_of_choices(linear: Floats, matrix: Floats, sites: Sequence[Site]) -> Floats:
    """[states] energies of all choices of one value per site, the last site running fastest.

    Args:
        linear: [n] biases of a BINARY model.
        matrix: [n, n] interactions, symmetric with an empty diagonal.
        sites: variables of which one is 1 each, or None and a free variable.
    """
    sizes = list(map(len, sites))
    found = np.zeros(math.prod(sizes))
    for s, site in enumerate(sites):
        view = found.reshape(math.prod(sizes[:s]), len(site), -1)
        view += own_energies(linear, site)[:, None]
        for t in range(s):
            pairs = pair_energies(matrix, sites[t], site)
            if pairs.any():
                before, between = math.prod(sizes[:t]), math.prod(sizes[t + 1 : s])
                blocks = found.reshape(before, sizes[t], between, len(site), -1)
                blocks += pairs[:, None, :, None]
    return found


def enumerated_optimum(problem: Problem[Any]) -> float | None:
    """The least objective of all feasible states, to be minimised.

    Returns:
        None where more than 2^20 states keep the groups, where a constraint is not linear, and where a low-rank form
        is part of the objective; infinity where no state is feasible.
    """
    place = {variable: index for index, variable in enumerate(problem.variables)}
    grouped = {variable for group in problem.one_hot.values() for variable in group}
    sites: list[Site] = [[place[variable] for variable in group] for group in problem.one_hot.values()]
    sites += [[None, index] for variable, index in place.items() if variable not in grouped]
    linear_only = all(constraint.is_linear for constraint in problem.constraints.values())
    if math.prod(map(len, sites)) > MOST_STATES or not linear_only or problem.low_rank is not None:
        return None
    energies = _energies(problem.objective, place, sites)
    for constraint in problem.constraints.values():
        energies[constraint.excess(_energies(constraint.lhs, place, sites)) > 0.0] = np.inf
    return float(energies.min())


def _energies(model: dimod.BinaryQuadraticModel, place: dict[Any, int], sites: Sequence[Site]) -> Floats:
    linear, matrix = np.zeros(len(place)), np.zeros((len(place),) * 2)
    for variable, bias in model.linear.items():
        linear[place[variable]] = bias
    for (u, v), bias in model.quadratic.items():
        matrix[place[u], place[v]] = matrix[place[v], place[u]] = bias
    found: Floats = energies_of_choices(linear, matrix, sites) + float(model.offset)
    return found

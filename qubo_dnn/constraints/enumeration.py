"""Enumeration of all states that keep the one-hot groups of a small problem."""

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
    """Return [values] energies of a site's values alone; None stands for the value 0 of a free variable.

    Example:
        >>> own_energies(np.array([1.0, 5.0]), [None, 1]).tolist()
        [0.0, 5.0]
    """
    return np.array([0.0 if v is None else linear[v] for v in site])


def pair_energies(matrix: Floats, rows: Site, columns: Site) -> Floats:
    """Return [values, values] interaction energies of the values of two sites.

    Example:
        >>> pair_energies(np.array([[0.0, 2.0], [2.0, 0.0]]), [None, 0], [None, 1]).tolist()
        [[0.0, 0.0], [0.0, 2.0]]
    """
    return np.array([[0.0 if u is None or v is None else matrix[u, v] for v in columns] for u in rows])


def energies_of_choices(linear: Floats, matrix: Floats, sites: Sequence[Site]) -> Floats:
    """Return [states] energies of all choices of one value per site; the last site varies fastest.

    Args:
        linear: [n] biases of a BINARY model.
        matrix: [n, n] interactions, symmetric with zero diagonal.
        sites: for a one-hot group its variables, of which one is 1; for a free variable None and the variable.

    Example:
        >>> matrix = np.array([[0.0, 4.0], [4.0, 0.0]])
        >>> energies_of_choices(np.array([1.0, 2.0]), matrix, [[None, 0], [None, 1]]).tolist()
        [0.0, 2.0, 1.0, 7.0]
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
    """Return the least value of `problem.objective` over all feasible states.

    Returns:
        Infinity if no state is feasible. None if more than 2^20 states keep the groups, if a constraint is not linear,
        or if the objective has a low-rank form.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> enumerated_optimum(knapsack)
        -5.0
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

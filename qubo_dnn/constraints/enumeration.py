"""Enumeration of all states that keep the one-hot groups of a small problem."""

from __future__ import annotations

from typing import Any

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.problem import Problem
from qubo_dnn.sites import Sites

Floats = NDArray[np.float64]
MOST_STATES = 2**20


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
    sites = Sites.of_problem(problem)
    linear_only = all(constraint.is_linear for constraint in problem.constraints.values())
    if sites.states > MOST_STATES or not linear_only or problem.low_rank is not None:
        return None
    place = {variable: index for index, variable in enumerate(problem.variables)}
    energies = _energies(problem.objective, place, sites)
    for constraint in problem.constraints.values():
        energies[constraint.excess(_energies(constraint.lhs, place, sites)) > 0.0] = np.inf
    return float(energies.min())


def _energies(model: dimod.BinaryQuadraticModel, place: dict[Any, int], sites: Sites) -> Floats:
    linear, matrix = np.zeros(len(place)), np.zeros((len(place),) * 2)
    for variable, bias in model.linear.items():
        linear[place[variable]] = bias
    for (u, v), bias in model.quadratic.items():
        matrix[place[u], place[v]] = matrix[place[v], place[u]] = bias
    found: Floats = sites.energies(linear, matrix) + float(model.offset)
    return found

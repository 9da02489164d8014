"""All states that keep the one-hot groups, where they are few enough to be listed."""

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
    """The least objective of all feasible states, to be minimised.

    Returns:
        None where more than 2^20 states keep the groups, where a constraint is not linear, and where a low-rank form
        is part of the objective; infinity where no state is feasible.
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

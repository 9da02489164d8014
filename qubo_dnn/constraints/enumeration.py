"""Enumeration of all states that keep the one-hot groups of a small problem."""

from __future__ import annotations

from typing import Any

import dimod
import numpy as np

from qubo_dnn.arrays import Floats, dense_arrays
from qubo_dnn.problem import Problem
from qubo_dnn.sites import Sites

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

    def energies(model: dimod.BinaryQuadraticModel) -> Floats:
        return sites.energies(*dense_arrays(model, problem.index)) + float(model.offset)

    found = energies(problem.objective)
    for constraint in problem.constraints.values():
        found[constraint.excess(energies(constraint.lhs)) > 0.0] = np.inf
    return float(found.min())

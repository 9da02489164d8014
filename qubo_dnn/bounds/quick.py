"""Fast lower bounds: bounds of single fields for any problem, and roof duality for models without groups.

They ignore the constraints, which can only lower a bound. `impossible` checks separately whether each linear constraint
can be kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from dwave.preprocessing import roof_duality

from qubo_dnn.arrays import LinearConstraints
from qubo_dnn.bounds.relaxation import UNIT_ROUNDOFF
from qubo_dnn.local_search import LocalModel
from qubo_dnn.presolve.dominance import field_bounds
from qubo_dnn.problem import Problem
from qubo_dnn.sites import Sites


def field_bound(problem: Problem[Any]) -> float:
    """Return the sum of the least contribution of every site: its bias and half of its least couplings.

    A low-rank form contributes at least 0.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> round(field_bound(knapsack), 6)
        -9.0
    """
    local = LocalModel(problem)
    form = local.forms[0]
    halves = (form.linear + field_bounds(local)[0]) / 2.0
    sites = local.sites
    return form.offset + float(sites.least(sites.at_options(halves)).sum()) - rounding_margin(problem)


def impossible(problem: Problem[Any]) -> bool:
    """Return whether a single linear constraint, with the groups, proves that no state is feasible.

    Example:
        >>> import dimod
        >>> from qubo_dnn.constraint import Constraint
        >>> bqm = dimod.BinaryQuadraticModel({"a": 1.0, "b": 1.0}, {}, 0.0, "BINARY")
        >>> impossible(Problem(objective=bqm, decoder=dict, constraints={"three": Constraint(bqm, ">=", 3.0)}))
        True
    """
    sites = Sites.of_problem(problem)
    linear = [each for each in problem.constraints.values() if each.is_linear]
    rows = LinearConstraints.of(linear, problem.index)
    weights = sites.at_options(rows.weights.toarray())
    sizes = np.abs(rows.offsets) + abs(rows.weights).sum(axis=1)
    margins = 8.0 * (len(problem.variables) + 20.0) * UNIT_ROUNDOFF * sizes
    lows = rows.offsets + sites.least(weights).sum(axis=1) - margins
    highs = rows.offsets - sites.least(-weights).sum(axis=1) + margins
    nearest = np.clip([each.rhs for each in linear], lows, highs)
    return any(each.violation(activity) > 0.0 for each, activity in zip(linear, nearest.tolist(), strict=True))


def roof_bound(problem: Problem[Any]) -> float | None:
    """Return the bound of roof duality.

    Returns:
        The bound. None for problems without interactions, or with one-hot groups or a low-rank form, to which roof
        duality does not apply.

    Source: Boros & Hammer 2002, "Pseudo-Boolean optimization".

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> triangle = get_formulation("max-cut")([(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0)]).compile()
        >>> round(roof_bound(triangle), 6)
        -3.0
    """
    if problem.one_hot or problem.low_rank is not None or not problem.objective.num_interactions:
        return None
    return float(roof_duality(problem.objective)[0]) - rounding_margin(problem)


def rounding_margin(problem: Problem[Any]) -> float:
    """Return an upper bound on the rounding errors of a sum of all biases and of the low-rank form.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> 0.0 < rounding_margin(knapsack) < 1e-12
        True
    """
    linear, (_, _, biases), offset = problem.objective.to_numpy_vectors(variable_order=problem.variables)
    size, terms = abs(float(offset)) + float(np.abs(linear).sum() + np.abs(biases).sum()), len(linear)
    if problem.low_rank is not None:
        factor = problem.low_rank.factor
        size += float(np.square(np.abs(factor).sum(axis=0, dtype=float)).sum())
        terms += factor.shape[1]
    return 8.0 * (terms + 20.0) * UNIT_ROUNDOFF * size

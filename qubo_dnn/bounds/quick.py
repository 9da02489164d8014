"""Lower bounds that take next to no time: of single fields for any problem, and roof duality for models without groups.

Constraints are left out, which can only lower a bound; whether one of them can be kept at all is looked at by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from dwave.preprocessing import roof_duality

from qubo_dnn.bounds.relaxation import UNIT_ROUNDOFF
from qubo_dnn.local_search import LocalModel
from qubo_dnn.presolve.dominance import field_bounds
from qubo_dnn.problem import Problem


def field_bound(problem: Problem[Any]) -> float:
    """The sum of the least that every site can add: its own bias, and half of its least couplings.

    A low-rank form is at least 0.
    """
    local = LocalModel(problem)
    form = local.forms[0]
    halves = (form.linear + field_bounds(local)[0]) / 2.0
    total = sum(float(halves[group].min()) for group in local.groups)
    total += float(np.minimum(halves[local.free], 0.0).sum())
    return form.offset + total - rounding_margin(problem)


def impossible(problem: Problem[Any]) -> bool:
    """Whether a linear constraint alone, beside the groups, shows that no state is feasible."""
    local = LocalModel(problem)
    for constraint, form in zip(local.constraints, local.forms[1:], strict=True):
        if not constraint.is_linear:
            continue
        ends = []
        for sign in (1.0, -1.0):
            least = sum(float((sign * form.linear[group]).min()) for group in local.groups)
            ends.append(
                sign * (sign * form.offset + least + float(np.minimum(sign * form.linear[local.free], 0.0).sum()))
            )
        size = abs(form.offset) + float(np.abs(form.linear).sum())
        margin = 8.0 * (len(form.linear) + 20.0) * UNIT_ROUNDOFF * size
        low, high = ends[0] - margin, ends[1] + margin
        if constraint.violation(min(max(constraint.rhs, low), high)) > 0.0:
            return True
    return False


def roof_bound(problem: Problem[Any]) -> float | None:
    """The bound of roof duality.

    Returns:
        None where there are one-hot groups or a low-rank form, of which it knows nothing.

    Source: Boros & Hammer 2002, "Pseudo-Boolean optimization".
    """
    if problem.one_hot or problem.low_rank is not None or not problem.objective.num_interactions:
        return None
    return float(roof_duality(problem.objective)[0]) - rounding_margin(problem)


def rounding_margin(problem: Problem[Any]) -> float:
    """More than the rounding errors of a sum of all biases and of the low-rank form."""
    linear, (_, _, biases), offset = problem.objective.to_numpy_vectors(variable_order=problem.variables)
    size, terms = abs(float(offset)) + float(np.abs(linear).sum() + np.abs(biases).sum()), len(linear)
    if problem.low_rank is not None:
        factor = problem.low_rank.factor
        size += float(np.square(np.abs(factor).sum(axis=0, dtype=float)).sum())
        terms += factor.shape[1]
    return 8.0 * (terms + 20.0) * UNIT_ROUNDOFF * size

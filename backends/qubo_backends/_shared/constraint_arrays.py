"""Constraints of degree one and two as arrays, for backends that choose one option per site."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_dnn.arrays import LinearConstraints
from qubo_dnn.constraint import Constraint
from qubo_dnn.local_search import QuadraticForm
from qubo_dnn.problem import Problem


def read_constraints(
    problem: Problem[Any], constraints: Sequence[Constraint], site_of: NDArray[np.int64]
) -> tuple[LinearConstraints, dict[int, QuadraticForm]]:
    """Read constraints, in their order.

    Args:
        problem: whose variables.
        constraints: linear or quadratic.
        site_of: [n] site of every variable; interactions inside a site never count.

    Returns:
        Offsets, bounds and coefficients; the coefficients of a quadratic constraint are the most by which each variable
        changes its left side, which is a unit of its violation. And the left sides of the quadratic ones by number.
    """
    rows = LinearConstraints.of(constraints, problem.index)
    forms = {
        number: QuadraticForm(each.lhs, problem.index, site_of)
        for number, each in enumerate(constraints)
        if not each.is_linear
    }
    if forms:
        # Linear constraints keep their sparse rows.
        reach = [
            scipy.sparse.csr_array((np.abs(form.linear) + abs(form.couplings).sum(axis=1).A1)[None])
            if (form := forms.get(number)) is not None
            else rows.weights[[number]]
            for number in range(len(constraints))
        ]
        rows = rows._replace(weights=scipy.sparse.csr_array(scipy.sparse.vstack(reach)))
    return rows, forms

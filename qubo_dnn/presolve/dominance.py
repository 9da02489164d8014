"""Dominance: variables with the same value in every optimum, by bounds on the change of the objective.

Flipping a free variable from 0 to 1 changes the objective by its linear bias, plus the coupling to the option chosen in
every one-hot group, plus the couplings to the free variables that are 1. If the lower bound on this change is above 0,
the variable is 0 in every optimum; if the upper bound is below 0, it is 1. If the lower bound of an option of a group
is above the upper bound of another option of the group, no optimum contains it.

Source: Glover, Lewis & Kochenberger 2018, "Logical and inequality implications for reducing the size and difficulty of
quadratic unconstrained binary optimization problems" (free variables); bounds over groups use the same argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dimod
import numpy as np

from qubo_dnn.local_search import Floats, LocalModel
from qubo_dnn.problem import Problem, Variable

# Bounds are sums of biases in double precision: smaller relative differences may be rounding errors.
_ROUNDING = 1e-12


def dominated(problem: Problem[Any]) -> dict[Variable, int]:
    """Return the variables whose value in every optimum follows from the bounds, with this value.

    Args:
        problem: may have one-hot groups, but no constraints and no low-rank form.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": 5.0, "b": -1.0}, {("a", "b"): -2.0}, 0.0, "BINARY")
        >>> dominated(Problem(objective=bqm, decoder=dict))
        {'a': 0, 'b': 1}
    """
    local = LocalModel(problem)
    least, most = field_bounds(local)
    certain = _ROUNDING * np.maximum(np.abs(least), np.abs(most))
    fixed: dict[Variable, int] = {}
    for index in local.free:
        if least[index] > certain[index]:
            fixed[local.variables[index]] = 0
        elif most[index] < -certain[index]:
            fixed[local.variables[index]] = 1
    for group in local.groups:
        best = group[np.argmin(most[group])]
        out = group[least[group] > most[best] + certain[group] + certain[best]]
        left = np.setdiff1d(group, out)
        fixed.update({local.variables[index]: 0 for index in out})
        if len(left) == 1:
            fixed[local.variables[left[0]]] = 1
    return fixed


def field_bounds(local: LocalModel) -> tuple[Floats, Floats]:
    """Return [n] lower and [n] upper bounds on the change of the objective if a variable goes from 0 to 1.

    Couplings inside the variable's group do not count.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": 5.0, "b": -1.0}, {("a", "b"): -2.0}, 0.0, "BINARY")
        >>> least, most = field_bounds(LocalModel(Problem(objective=bqm, decoder=dict)))
        >>> least.tolist(), most.tolist()
        ([3.0, -3.0], [5.0, -1.0])
    """
    form = local.forms[0]
    one, other, biases = form.pairs
    row, column, values = np.concatenate([one, other]), np.concatenate([other, one]), np.tile(biases, 2)
    site = local.site_of[column]
    least, most = form.linear.copy(), form.linear.copy()
    free = site >= len(local.groups)
    np.add.at(least, row[free], np.minimum(values[free], 0.0))
    np.add.at(most, row[free], np.maximum(values[free], 0.0))
    # If some options of a group have no coupling, 0 is among the possible values.
    order = np.lexsort((site[~free], row[~free]))
    rows, groups, felt = row[~free][order], site[~free][order], values[~free][order]
    if len(rows):
        firsts = np.flatnonzero((np.diff(rows, prepend=-1) != 0) | (np.diff(groups, prepend=-1) != 0))
        whole = np.diff(firsts, append=len(rows)) == np.diff(local.sites.starts)[groups[firsts]]
        lowest, highest = np.minimum.reduceat(felt, firsts), np.maximum.reduceat(felt, firsts)
        np.add.at(least, rows[firsts], np.where(whole, lowest, np.minimum(lowest, 0.0)))
        np.add.at(most, rows[firsts], np.where(whole, highest, np.maximum(highest, 0.0)))
    return least, most


def substitute(problem: Problem[Any], fixed: Mapping[Any, int]) -> Problem[Any]:
    """Return the problem over the variables that are not fixed, without the groups whose chosen option is fixed.

    Args:
        problem: without constraints and low-rank form.
        fixed: variable -> 0 or 1. If an option of a group is 1, it contains all options of the group; it never fixes
            all options of a group to 0.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": 5.0, "b": -1.0}, {("a", "b"): -2.0}, 0.0, "BINARY")
        >>> left = substitute(Problem(objective=bqm, decoder=dict), {"b": 1})
        >>> left.variables, float(left.objective.get_linear("a")), float(left.objective.offset)
        (('a',), 3.0, -1.0)
    """
    variables = problem.variables
    linear, (rows, columns, biases), offset = problem.objective.to_numpy_vectors(variable_order=variables)
    left = np.array([variable not in fixed for variable in variables], bool)
    values = np.array([fixed.get(variable, 0) for variable in variables], float)
    felt = np.bincount(rows, biases * values[columns], len(values)) + np.bincount(
        columns, biases * values[rows], len(values)
    )
    inside = left[rows] & left[columns]
    place = np.cumsum(left) - 1
    # Uses arrays, since dimod's `fix_variables` takes seconds for a million interactions.
    objective = dimod.BinaryQuadraticModel.from_numpy_vectors(
        (linear + felt)[left],
        (place[rows[inside]], place[columns[inside]], biases[inside]),
        float(offset + values @ (linear + 0.5 * felt)),
        dimod.BINARY,
        variable_order=[variable for variable in variables if variable not in fixed],
    )
    open_groups = {
        label: tuple(variable for variable in group if variable not in fixed)
        for label, group in problem.one_hot.items()
        if not any(fixed.get(variable) for variable in group)
    }
    return Problem(objective=objective, decoder=dict, one_hot=open_groups)

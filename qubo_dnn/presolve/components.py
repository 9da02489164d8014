"""Connected components of a problem, which are solved apart."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.problem import Problem, Variable


def components(problem: Problem[Any]) -> tuple[Problem[Any], ...]:
    """Split into problems that share neither an interaction nor a group, the largest first.

    Args:
        problem: without constraints and low-rank form.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({}, {("a", "b"): 1.0, ("c", "d"): 1.0}, 0.0, "BINARY")
        >>> [part.variables for part in components(Problem(objective=bqm, decoder=dict))]
        [('a', 'b'), ('c', 'd')]
    """
    variables, place = problem.variables, problem.index
    linear, (rows, columns, biases), _ = problem.objective.to_numpy_vectors(variable_order=problem.variables)
    links = [(place[u], place[v]) for group in problem.one_hot.values() for u, v in pairwise(group)]
    inside = np.array(links, np.int64).reshape(-1, 2)
    ends = np.concatenate([rows, inside[:, 0]]), np.concatenate([columns, inside[:, 1]])
    size = len(variables)
    if size and np.bincount(np.concatenate([rows, columns]), minlength=size).max() == size - 1:
        return (problem,)  # a variable coupled to all others makes the graph connected
    # Imported here because scipy is slow to import, and most dense problems return before.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, component = connected_components(coo_array((np.ones(len(ends[0])), ends), shape=(size, size)), directed=False)
    # Sorted by size, then by first variable, so that equal problems split equally.
    labels, first, counts = np.unique(component, return_index=True, return_counts=True)
    if len(labels) == 1:
        return (problem,)
    order = np.lexsort((first, -counts))
    within = np.empty(size, np.int64)
    members_of = dict(zip(*_grouped(component), strict=True))
    edges_of = dict(zip(*_grouped(component[rows]), strict=True))
    groups_of: dict[int, dict[str, tuple[Variable, ...]]] = {}
    for name, group in problem.one_hot.items():
        groups_of.setdefault(int(component[place[group[0]]]), {})[name] = group
    parts = []
    for label in labels[order].tolist():
        members, edges = members_of[label], edges_of.get(label, np.zeros(0, np.int64))
        within[members] = np.arange(len(members))
        objective = dimod.BinaryQuadraticModel.from_numpy_vectors(
            linear[members],
            (within[rows[edges]], within[columns[edges]], biases[edges]),
            0.0,
            dimod.BINARY,
            variable_order=[variables[index] for index in members],
        )
        parts.append(Problem(objective=objective, decoder=dict, one_hot=groups_of.get(label, {})))
    return tuple(parts)


def _grouped(labels: NDArray[np.int32]) -> tuple[list[int], list[NDArray[np.intp]]]:
    """Return the different labels and the positions of each."""
    if not len(labels):
        return [], []
    order = np.argsort(labels, kind="stable")
    different, first = np.unique(labels[order], return_index=True)
    return different.tolist(), np.split(order, first[1:])

"""A problem made smaller before a backend is asked, and the backend's rows made whole again.

An optimum of what is left makes an optimum of the whole: values are fixed that all optima share (dominance), or that
improve every state, or leave it as good (roof duality). Energies are computed anew from the whole problem, so dropped
noise reaches no answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import dimod
import numpy as np
from dwave.preprocessing import roof_duality
from numpy.typing import NDArray

from qubo_dnn.backend import SolveOptions
from qubo_dnn.presolve.dominance import dominated, substitute
from qubo_dnn.problem import Problem, Variable

_EPSILON = float(np.finfo(float).eps)
# Larger problems are left as they are: reading them again costs seconds, and little of them could be fixed.
_MOST_INTERACTIONS = 1_000_000


@dataclass(frozen=True)
class Reduction:
    """What presolve found.

    Attributes:
        parts: independent problems over the variables that are left, the largest first; their offsets do not count.
        fixed: variable -> its value in some optimum that has all of these.
        by_dominance: how many of them bounds have fixed.
        by_roof_duality: how many roof duality has.
        dropped: interactions below the rounding errors of the largest bias.
    """

    parts: tuple[Problem[Any], ...]
    fixed: Mapping[Variable, int]
    by_dominance: int
    by_roof_duality: int
    dropped: int

    def summary(self) -> dict[str, int]:
        """The figures, as plain data."""
        return {
            "fixed_by_dominance": self.by_dominance,
            "fixed_by_roof_duality": self.by_roof_duality,
            "interactions_dropped": self.dropped,
            "components": len(self.parts),
            "variables_left": sum(len(part.variables) for part in self.parts),
        }


def reduce(problem: Problem[Any], split: bool = True) -> Reduction:
    """Fix what an optimum is known to have, drop noise, and take connected components apart.

    Roof duality (Boros & Hammer 2002) sees problems without one-hot groups only.

    Args:
        problem: without constraints and low-rank form.
        split: take components apart; otherwise there is one part, or none if nothing is left.
    """
    if problem.objective.num_interactions > _MOST_INTERACTIONS:
        return Reduction((problem,), {}, 0, 0, 0)
    left, dropped = _without_noise(problem)
    fixed: dict[Variable, int] = {}
    by_roof_duality = 0
    while True:
        found: dict[Variable, int] = dominated(left)
        if not found and not left.one_hot and left.objective.num_interactions:
            found = {v: int(value) for v, value in roof_duality(left.objective, strict=True)[1].items()}
            by_roof_duality += len(found)
        if not found:
            break
        fixed.update(found)
        left = substitute(left, found)
    # Neither a bias nor an interaction: any value will do.
    in_groups = {variable for group in left.one_hot.values() for variable in group}
    idle = {v: 0 for v in left.variables if v not in in_groups and not left.objective.degree(v)}
    fixed.update(idle)
    left = substitute(left, idle)
    parts = _components(left) if split else (left,)
    return Reduction(
        parts=parts if left.variables else (),
        fixed=fixed,
        by_dominance=len(fixed) - by_roof_duality,
        by_roof_duality=by_roof_duality,
        dropped=dropped,
    )


def shares(reduction: Reduction, options: SolveOptions) -> Iterator[tuple[Problem[Any], SolveOptions]]:
    """Every part with its options: the time by the number of variables, and a seed of its own.

    The time that a part leaves over goes to the parts after it.
    """
    left = sum(len(part.variables) for part in reduction.parts)
    deadline = None if options.time_limit is None else time.perf_counter() + options.time_limit
    for index, part in enumerate(reduction.parts):
        update: dict[str, Any] = {}
        if options.seed is not None and index:
            update["seed"] = int(np.random.SeedSequence([options.seed, index]).generate_state(1)[0])
        if deadline is not None:
            update["time_limit"] = max(deadline - time.perf_counter(), 1e-3) * len(part.variables) / left
        left -= len(part.variables)
        yield part, options.model_copy(update=update)


def expand(problem: Problem[Any], reduction: Reduction, answers: Sequence[dimod.SampleSet]) -> dimod.SampleSet:
    """Rows over all variables of `problem` from the rows of its parts.

    Args:
        problem: that was reduced.
        reduction: of it.
        answers: one for every part, at least one row each; the k-th best rows of all parts make the k-th row.

    Returns:
        As many rows as the longest answer has; interrupted if any of `answers` is.
    """
    place = {variable: index for index, variable in enumerate(problem.variables)}
    rows = np.zeros((max(map(len, answers), default=1), len(place)), np.int8)
    for variable, value in reduction.fixed.items():
        rows[:, place[variable]] = value
    for answer in answers:
        order = np.argsort(answer.record.energy, kind="stable")
        # A part with fewer rows goes on with its best.
        taken = np.concatenate([order, np.full(len(rows) - len(order), order[0])])
        rows[:, [place[variable] for variable in answer.variables]] = answer.record.sample[taken]
    info = dict(answers[0].info) if len(answers) == 1 else {}
    if any(answer.info.get("interrupted", False) for answer in answers):
        info["interrupted"] = True
    return dimod.SampleSet.from_samples_bqm((rows, list(problem.variables)), problem.objective, info=info)


def _without_noise(problem: Problem[Any]) -> tuple[Problem[Any], int]:
    """The problem without interactions that are lost in the rounding of its largest bias, and how many they are."""
    vectors = problem.objective.to_numpy_vectors(variable_order=problem.variables)
    rows, columns, biases = vectors.quadratic
    largest = max(np.abs(vectors.linear_biases).max(initial=0.0), np.abs(biases).max(initial=0.0))
    kept = np.abs(biases) > _EPSILON * largest
    dropped = int(len(biases) - kept.sum())
    if not dropped:
        return problem, 0
    objective = dimod.BinaryQuadraticModel.from_numpy_vectors(
        vectors.linear_biases,
        (rows[kept], columns[kept], biases[kept]),
        float(problem.objective.offset),
        dimod.BINARY,
        variable_order=list(problem.variables),
    )
    return problem.relaxed(objective), dropped


def _components(problem: Problem[Any]) -> tuple[Problem[Any], ...]:
    """Problems that share neither an interaction nor a group, the largest first."""
    variables = problem.variables
    place = {variable: index for index, variable in enumerate(variables)}
    linear, (rows, columns, biases), _ = problem.objective.to_numpy_vectors(variable_order=problem.variables)
    links = [(place[u], place[v]) for group in problem.one_hot.values() for u, v in pairwise(group)]
    inside = np.array(links, np.int64).reshape(-1, 2)
    ends = np.concatenate([rows, inside[:, 0]]), np.concatenate([columns, inside[:, 1]])
    size = len(variables)
    if size and np.bincount(np.concatenate([rows, columns]), minlength=size).max() == size - 1:
        return (problem,)  # a variable that is coupled to all others holds them together
    # Not at the top: most dense problems do not come here, and scipy takes long to import.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, component = connected_components(coo_array((np.ones(len(ends[0])), ends), shape=(size, size)), directed=False)
    # By size, and then by first variable, so that equal problems fall apart equally.
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
    """The different labels, and where each of them stands."""
    if not len(labels):
        return [], []
    order = np.argsort(labels, kind="stable")
    different, first = np.unique(labels[order], return_index=True)
    return different.tolist(), np.split(order, first[1:])

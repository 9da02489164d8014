"""Reduction of a problem before a backend call, and expansion of the backend's rows to the whole problem.

An optimum of the reduced problem gives an optimum of the whole. The reduction fixes values that all optima share
(dominance), and values that make no state worse (roof duality). If only an optimum is wanted, variables go whose best
values follow from those of others: by dominant couplings, in components of low treewidth, and where a variable has up
to two neighbours. The energies of the expanded rows are computed from the whole problem, so dropped noise does not
affect them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dimod
import numpy as np
from dwave.preprocessing import roof_duality

from qubo_dnn.backend import SolveOptions
from qubo_dnn.presolve.components import components
from qubo_dnn.presolve.dominance import dominated, substitute
from qubo_dnn.presolve.eliminable import FEWEST, MOST_INTERACTIONS
from qubo_dnn.presolve.simplification import Simplification, simplify
from qubo_dnn.problem import Problem, Variable

_EPSILON = float(np.finfo(float).eps)


@dataclass(frozen=True)
class Reduction:
    """Result of the presolve.

    Attributes:
        parts: independent problems over the remaining variables, the largest first; their offsets have no meaning.
        fixed: variable -> its value; some optimum has all of these values.
        by_dominance: number of variables fixed by bounds.
        by_roof_duality: number of variables fixed by roof duality.
        dropped: number of interactions below the rounding errors of the largest bias.
        simplifications: variables at the time of every simplification, and the simplification, in the order in which
            they took place.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": 5.0, "b": -1.0}, {("a", "b"): -2.0}, 0.0, "BINARY")
        >>> reduction = reduce(Problem(objective=bqm, decoder=dict))
        >>> reduction.fixed, reduction.summary()["variables_left"]
        ({'a': 0, 'b': 1}, 0)
    """

    parts: tuple[Problem[Any], ...]
    fixed: Mapping[Any, int]
    by_dominance: int
    by_roof_duality: int
    dropped: int
    simplifications: tuple[tuple[tuple[Variable, ...], Simplification], ...] = ()

    def summary(self) -> dict[str, int]:
        """Return the figures as plain data."""
        return {
            "fixed_by_dominance": self.by_dominance,
            "fixed_by_roof_duality": self.by_roof_duality,
            "interactions_dropped": self.dropped,
            "eliminated": sum(each.size - len(each.left) for _, each in self.simplifications),
            "elimination_width": max((each.width for _, each in self.simplifications), default=0),
            "components": len(self.parts),
            "variables_left": sum(len(part.variables) for part in self.parts),
        }


def reduce(problem: Problem[Any], split: bool = True, eliminate_within: float = 0.0) -> Reduction:
    """Fix variables with known values in an optimum, drop noise, and split the rest into connected components.

    Roof duality (Boros & Hammer 2002) applies only to problems without one-hot groups.

    Args:
        problem: without constraints and low-rank form.
        split: split components; otherwise there is one part, or none if no variable is left.
        eliminate_within: seconds for the elimination of variables, infinity for its own limits; see
            `qubo_dnn.presolve.elimination`. 0.0 eliminates none, so that the parts keep the states after the optimum.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({}, {("a", "b"): 1.0, ("c", "d"): 1.0}, 0.0, "SPIN")
        >>> [part.variables for part in reduce(Problem(objective=bqm, decoder=dict)).parts]
        [('a', 'b'), ('c', 'd')]
    """
    if problem.objective.num_interactions > MOST_INTERACTIONS:
        return Reduction((problem,), {}, 0, 0, 0)
    left, dropped = _without_noise(problem)
    fixed: dict[Variable, int] = {}
    simplifications = []
    by_roof_duality = 0
    while True:
        simplification = None if len(left.variables) <= FEWEST else simplified(left, eliminate_within)
        if simplification is not None:
            simplifications.append((left.variables, simplification))
            left = left_by(simplification, left)
        left, found, by_roof = _without_known_values(left)
        fixed.update(found)
        by_roof_duality += by_roof
        # Without the variables that are fixed, more may be within reach of the elimination.
        if not found or not eliminate_within:
            break
    # Variables without bias and interactions: any value is optimal.
    in_groups = {variable for group in left.one_hot.values() for variable in group}
    idle = {v: 0 for v in left.variables if v not in in_groups and not left.objective.degree(v)}
    fixed.update(idle)
    left = substitute(left, idle)
    parts = components(left) if split else (left,)
    return Reduction(
        parts=parts if left.variables else (),
        fixed=fixed,
        by_dominance=len(fixed) - by_roof_duality,
        by_roof_duality=by_roof_duality,
        dropped=dropped,
        simplifications=tuple(simplifications),
    )


def simplified(
    problem: Problem[Any], seconds: float, compiling: Callable[[float], object] | None = None
) -> Simplification | None:
    """Contract and eliminate variables of a problem without constraints.

    Args:
        problem: without constraints and low-rank form.
        seconds: limit of the time of an elimination, infinity for the limits of the elimination itself; 0.0 for
            nothing at all.
        compiling: gets the seconds that the compilation of the kernels took, which is kept on disk.

    Returns:
        None if all variables stay, as those of a problem with one-hot groups.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": 1.0}, {("a", "b"): -2.0}, 0.0, "BINARY")
        >>> found = simplified(Problem(objective=bqm, decoder=dict), seconds=1.0)
        >>> found.solved, found.offset
        (True, -1.0)
    """
    if not seconds or problem.one_hot:
        return None
    linear, (rows, columns, biases), _ = problem.objective.to_numpy_vectors(variable_order=problem.variables)
    pairs = np.array([rows, columns], np.int64)
    return simplify(linear, pairs, biases, low=0.0, seconds=seconds, compiling=compiling)


def left_by(simplification: Simplification, problem: Problem[Any]) -> Problem[Any]:
    """Return the problem over the variables that are left; its least energy is the same.

    Args:
        simplification: of the problem.
        problem: the problem before it.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": 1.0}, {("a", "b"): -2.0}, 0.5, "BINARY")
        >>> problem = Problem(objective=bqm, decoder=dict)
        >>> float(left_by(simplified(problem, seconds=1.0), problem).objective.offset)
        -0.5
    """
    objective = dimod.BinaryQuadraticModel.from_numpy_vectors(
        simplification.linear,
        (*simplification.pairs, simplification.couplings),
        float(problem.objective.offset) + simplification.offset,
        dimod.BINARY,
        variable_order=[problem.variables[index] for index in simplification.left],
    )
    return Problem(objective=objective, decoder=dict)


def shares(reduction: Reduction, options: SolveOptions) -> Iterator[tuple[Problem[Any], SolveOptions]]:
    """Yield every part with its options: a time limit in proportion to its variables, and a different seed.

    Time that a part does not use goes to the later parts.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({}, {("a", "b"): 1.0, ("c", "d"): 1.0}, 0.0, "SPIN")
        >>> reduction = reduce(Problem(objective=bqm, decoder=dict))
        >>> [(part.variables, options.seed) for part, options in shares(reduction, SolveOptions(seed=1))]
        [(('a', 'b'), 1), (('c', 'd'), ...)]
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
    """Combine the rows of the parts to rows over all variables of `problem`.

    Args:
        problem: the original problem.
        reduction: its reduction.
        answers: one sample set for every part, with at least one row each. The k-th best rows of all parts make the
            k-th row.

    Returns:
        As many rows as the longest sample set; interrupted if one of `answers` is. `info` is that of the one answer, or
        `info["components"]` is the list of those of several.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": 5.0, "b": -1.0}, {("a", "b"): -2.0}, 0.0, "BINARY")
        >>> problem = Problem(objective=bqm, decoder=dict)
        >>> whole = expand(problem, reduce(problem), [])
        >>> whole.record.sample.tolist(), whole.record.energy.tolist()
        ([[0, 1]], [-1.0])
    """
    place = problem.index
    rows = np.zeros((max(map(len, answers), default=1), len(place)), np.int8)
    for variable, value in reduction.fixed.items():
        rows[:, place[variable]] = value
    for answer in answers:
        order = np.argsort(answer.record.energy, kind="stable")
        # A part with fewer rows repeats its best row.
        taken = np.concatenate([order, np.full(len(rows) - len(order), order[0])])
        rows[:, [place[variable] for variable in answer.variables]] = answer.record.sample[taken]
    for variables, simplification in reversed(reduction.simplifications):
        columns = np.array([place[variable] for variable in variables])
        rows[:, columns] = simplification.completed(rows[:, columns[simplification.left]])
    infos = [dict(answer.info) for answer in answers]
    info: dict[str, Any] = infos[0] if len(infos) == 1 else {"components": infos} if infos else {}
    if reduction.simplifications:
        figures = reduction.summary()
        info["elimination"] = {
            "eliminated": figures["eliminated"],
            "left": figures["variables_left"],
            "width": figures["elimination_width"],
        }
        # An optimum of every part makes one of the whole, but for interactions that were dropped.
        info["optimal"] = not reduction.dropped and all(answer.info.get("optimal", False) for answer in answers)
    if any(answer.info.get("interrupted", False) for answer in answers):
        info["interrupted"] = True
    return dimod.SampleSet.from_samples_bqm((rows, list(problem.variables)), problem.objective, info=info)


def _without_known_values(problem: Problem[Any]) -> tuple[Problem[Any], dict[Variable, int], int]:
    """Fix variables by dominance and roof duality; return what is left, the values, and how many the latter fixed."""
    fixed: dict[Variable, int] = {}
    by_roof_duality = 0
    while True:
        found: dict[Variable, int] = dominated(problem)
        if not found and not problem.one_hot and problem.objective.num_interactions:
            found = {v: int(value) for v, value in roof_duality(problem.objective, strict=True)[1].items()}
            by_roof_duality += len(found)
        if not found:
            return problem, fixed, by_roof_duality
        fixed.update(found)
        problem = substitute(problem, found)


def _without_noise(problem: Problem[Any]) -> tuple[Problem[Any], int]:
    """Drop interactions below the rounding errors of the largest bias; return the problem and their number."""
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

"""Reduction of a problem before a backend call, and expansion of the backend's rows to the whole problem.

An optimum of the reduced problem gives an optimum of the whole. The reduction fixes values that all optima share
(dominance), and values that make no state worse (roof duality). If only an optimum is wanted, it eliminates variables
whose best values follow from those of others: components of low treewidth and variables of up to two neighbours. The
energies of the expanded rows are computed from the whole problem, so dropped noise does not affect them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dimod
import numpy as np
from dwave.preprocessing import roof_duality

from qubo_dnn.backend import SolveOptions
from qubo_dnn.presolve.components import components
from qubo_dnn.presolve.dominance import dominated, substitute
from qubo_dnn.presolve.eliminable import FEWEST, worth_eliminating
from qubo_dnn.problem import Problem, Variable

if TYPE_CHECKING:
    from qubo_dnn.presolve.elimination import Elimination

_EPSILON = float(np.finfo(float).eps)
# Larger problems stay unchanged: reading them again costs seconds, and few of their variables could be fixed.
_MOST_INTERACTIONS = 1_000_000


@dataclass(frozen=True)
class Reduction:
    """Result of the presolve.

    Attributes:
        parts: independent problems over the remaining variables, the largest first; their offsets have no meaning.
        fixed: variable -> its value; some optimum has all of these values.
        by_dominance: number of variables fixed by bounds.
        by_roof_duality: number of variables fixed by roof duality.
        dropped: number of interactions below the rounding errors of the largest bias.
        eliminations: variables at the time of every elimination, and the elimination, in the order in which they took
            place.

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
    eliminations: tuple[tuple[tuple[Variable, ...], Elimination], ...] = ()

    def summary(self) -> dict[str, int]:
        """Return the figures as plain data."""
        return {
            "fixed_by_dominance": self.by_dominance,
            "fixed_by_roof_duality": self.by_roof_duality,
            "interactions_dropped": self.dropped,
            "eliminated": sum(len(each.order.vertices) for _, each in self.eliminations),
            "elimination_width": max((each.order.width for _, each in self.eliminations), default=0),
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
    if problem.objective.num_interactions > _MOST_INTERACTIONS:
        return Reduction((problem,), {}, 0, 0, 0)
    left, dropped = _without_noise(problem)
    fixed: dict[Variable, int] = {}
    eliminations = []
    by_roof_duality = 0
    while True:
        elimination = None if len(left.variables) <= FEWEST else eliminated(left, eliminate_within)
        if elimination is not None:
            eliminations.append((left.variables, elimination))
            left = left_by(elimination, left)
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
        eliminations=tuple(eliminations),
    )


def eliminated(
    problem: Problem[Any], seconds: float, compiling: Callable[[float], None] | None = None
) -> Elimination | None:
    """Eliminate variables of a problem without constraints.

    Args:
        problem: without constraints and low-rank form.
        seconds: limit of the time, infinity for the limits of the elimination itself.
        compiling: gets the seconds that the compilation of the kernels took, which is kept on disk.

    Returns:
        None if no variable is eliminated, as from a problem with one-hot groups.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": 1.0}, {("a", "b"): -2.0}, 0.0, "BINARY")
        >>> found = eliminated(Problem(objective=bqm, decoder=dict), seconds=1.0)
        >>> len(found.left), found.offset
        (0, -1.0)
    """
    if not seconds or problem.one_hot:
        return None
    linear, (rows, columns, biases), _ = problem.objective.to_numpy_vectors(variable_order=problem.variables)
    pairs = np.array([rows, columns], np.int64)
    if not worth_eliminating(len(linear), pairs):
        return None
    # Imported here, since it needs numba, which is slow to import.
    from qubo_dnn.presolve.elimination import compile_elimination, eliminate, entries_within

    begun = time.perf_counter()
    compile_elimination()
    if compiling is not None:
        compiling(time.perf_counter() - begun)
    return eliminate(linear, pairs, biases, low=0.0, most_entries=entries_within(seconds))


def left_by(elimination: Elimination, problem: Problem[Any]) -> Problem[Any]:
    """Return the problem over the variables that are left; its least energy is the same.

    Args:
        elimination: the elimination.
        problem: the problem before it.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": 1.0}, {("a", "b"): -2.0}, 0.5, "BINARY")
        >>> problem = Problem(objective=bqm, decoder=dict)
        >>> left_by(eliminated(problem, seconds=1.0), problem).objective.offset
        np.float64(-0.5)
    """
    objective = dimod.BinaryQuadraticModel.from_numpy_vectors(
        elimination.linear,
        (*elimination.pairs, elimination.couplings),
        float(problem.objective.offset) + elimination.offset,
        dimod.BINARY,
        variable_order=[problem.variables[index] for index in elimination.left],
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
        As many rows as the longest sample set; interrupted if one of `answers` is.

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
    for variables, elimination in reversed(reduction.eliminations):
        columns = np.array([place[variable] for variable in variables])
        rows[:, columns] = elimination.completed(rows[:, columns[elimination.left]])
    info: dict[str, Any] = dict(answers[0].info) if len(answers) == 1 else {}
    if reduction.eliminations:
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

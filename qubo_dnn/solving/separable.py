"""Solve separable problems directly, without a backend."""

from __future__ import annotations

import time
from typing import TypeVar

import dimod

from qubo_dnn.constraints.separable import is_separable, packed
from qubo_dnn.errors import OptionError, UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_dnn.solving.solution import Solution
from qubo_dnn.support.arguments import checked

T = TypeVar("T")
DIRECT = "direct"
"""Stands for the backend in solutions that were found without one."""


@checked
def solve_separable(problem: Problem[T], num_solutions: int = 1) -> Solution[T] | None:
    """Solve a problem whose variables do not interact, within linear inequalities; in seconds for 100,000 variables.

    Args:
        problem: see `qubo_dnn.constraints.separable.is_separable`.
        num_solutions: largest number of candidates to return, >= 1.

    Returns:
        A solution whose `backend` is `DIRECT`; `sampleset.info` has the keys "bound", of all states that keep the
        constraints, and "optimal". None if no such state was found.

    Raises:
        UnsupportedProblemError: the problem is not separable.
        OptionError: `num_solutions` is less than 1.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4)
        >>> solution = solve_separable(knapsack.compile())
        >>> solution.best.value, solution.sampleset.info["optimal"], solution.backend
        (frozenset({1, 2}), True, 'direct')
    """
    if num_solutions < 1:
        raise OptionError(f"num_solutions must be at least 1, not {num_solutions}")
    started = time.perf_counter()
    posed = problem.without_constants()
    if not is_separable(posed):
        raise UnsupportedProblemError(
            "the problem is not separable: it has interactions, or constraints of other kinds"
        )
    found, sites = packed(posed, num_solutions)
    if not len(found.choices):
        return None
    states = sites.bits(found.choices)
    samples = [dict(zip(problem.variables, row, strict=True)) for row in states.tolist()]
    decoded = [problem.decode(sample) for sample in samples]
    info = {"bound": found.bound, "optimal": found.optimal}
    return Solution(
        best=decoded[0],
        candidates=(decoded[0], *(each for each in decoded[1:] if each.feasible)),
        sample=samples[0],
        repaired=False,
        sampleset=dimod.SampleSet.from_samples_bqm((states, list(problem.variables)), problem.objective, info=info),
        backend=DIRECT,
        seed=None,
        calls=(),
        interrupted=False,
        failed=None,
        seconds=time.perf_counter() - started,
        convert=problem.native,
    )

"""Solve a problem without a backend, by local descent and repair."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np

from qubo_dnn.backend import Capabilities
from qubo_dnn.constraints.relaxation import RelaxedProblem
from qubo_dnn.constraints.repair import exchange, repair
from qubo_dnn.local_search import LocalState, descend
from qubo_dnn.problem import Decoded, Problem
from qubo_dnn.support.arguments import checked

T = TypeVar("T")


@checked
def solve_locally(problem: Problem[T]) -> Decoded[T]:
    """Solve a problem by local descent and repair, without a backend: fast, deterministic, often near the optimum.

    The descent begins at zeros, and the repair also at `Problem.start`.

    Raises:
        UnsupportedProblemError: the problem's constraints cannot be relaxed, or its objective has a low-rank form.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4)
        >>> solve_locally(knapsack.compile()).value
        frozenset({1, 2})
    """
    problem.check_expressible()
    state = local_answer(problem)
    return problem.decode(dict(zip(problem.variables, state.x.tolist(), strict=True)))


def local_answer(problem: Problem[Any], deadline: float = math.inf) -> LocalState:
    """Return the state that `solve_locally` decodes; it may break constraints.

    Args:
        problem: without low-rank form.
        deadline: `time.perf_counter()` at which the search stops with the best state so far.

    Raises:
        UnsupportedProblemError: see `solve_locally`.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4)
        >>> local_answer(knapsack.compile()).x.tolist()
        [0, 1, 1]
    """
    relaxation = RelaxedProblem(problem, Capabilities(), deadline)
    state = relaxation.start
    if state is None:
        state = LocalState(relaxation.model, np.zeros(len(problem.variables), np.int8))
        # If nothing is relaxed, the only constraints left are constant.
        descend(state, np.eye(1, len(state.values))[0])
    states = [state]
    if problem.start is not None:
        states.append(LocalState(relaxation.model, np.array([problem.start[v] for v in problem.variables], np.int8)))
    for each in states:
        repair(each, deadline)
        exchange(each, deadline)
    return min(states, key=lambda each: (each.violation, float(each.values[0])))

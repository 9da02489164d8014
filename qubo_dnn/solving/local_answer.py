"""Solving without any backend: local descent and repair."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np

from qubo_dnn.arguments import checked
from qubo_dnn.backend import Capabilities
from qubo_dnn.constraints.relaxation import RelaxedProblem
from qubo_dnn.constraints.repair import repair
from qubo_dnn.local_search import LocalState, descend
from qubo_dnn.problem import Decoded, Problem

T = TypeVar("T")


@checked
def solve_locally(problem: Problem[T]) -> Decoded[T]:
    """An answer without any backend, by local descent and repair: quick, deterministic, often near the best.

    Raises:
        UnsupportedProblemError: the problem's constraints cannot be relaxed.
    """
    problem.check_expressible()
    state = local_answer(problem)
    return problem.decode(dict(zip(problem.variables, state.x.tolist(), strict=True)))


def local_answer(problem: Problem[Any], deadline: float = math.inf) -> LocalState:
    """What `solve_locally` decodes; it may break constraints.

    Args:
        problem: without low-rank form.
        deadline: `time.perf_counter()` at which the search takes what it has.

    Raises:
        UnsupportedProblemError: see `solve_locally`.
    """
    relaxation = RelaxedProblem(problem, Capabilities(), deadline)
    state = relaxation.start
    if state is None:
        state = LocalState(relaxation.model, np.zeros(len(problem.variables), np.int8))
        # Where nothing is relaxed, constraints are left that no variable can change.
        descend(state, np.eye(1, len(state.values))[0])
    repair(state, deadline)
    return state

"""A problem without the variables that are eliminated exactly: a smaller one with the same optimum, or the optimum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qubo_dnn.bounds.relaxation import UNIT_ROUNDOFF
from qubo_dnn.presolve.reduction import left_by, simplified
from qubo_dnn.problem import Problem


def without_eliminated(
    problem: Problem[Any], seconds: float, compiling: Callable[[float], object] | None = None
) -> tuple[Problem[Any], float] | None:
    """Return a problem over fewer variables, whose least energy is that of `problem` without its constraints.

    Args:
        problem: constraints are dropped. With groups or a low-rank form nothing is eliminated.
        seconds: limit of the time.
        compiling: see `qubo_dnn.presolve.reduction.simplified`.

    Returns:
        The problem, and an upper bound on its rounding errors. Without variables, its offset is the least energy. None
        if nothing is eliminated, or only a part of a problem with constraints.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> triangle = get_formulation("max-cut")([(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0)]).compile()
        >>> left, rounding = without_eliminated(triangle, seconds=1.0)
        >>> left.variables, float(left.objective.offset), rounding < 1e-12
        ((), -2.0, True)
    """
    found = None if problem.low_rank is not None else simplified(problem, seconds, compiling)
    if found is None or (not found.solved and problem.constraints):
        return None
    left = left_by(found, problem)
    rounding = found.rounding + 4.0 * UNIT_ROUNDOFF * (abs(float(problem.objective.offset)) + abs(found.offset))
    return left, rounding

"""Common part of the adapters: solve a problem by the name of a backend, and prove a bound if asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from qubo_dnn.backend import Backend
from qubo_dnn.bounds.certificate import Certificate, certify
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solution import Solution
from qubo_dnn.solving.solve import solve

T = TypeVar("T")
# Parameters of `solve` among the options; all others are the backend's.
_OF_SOLVE = ("num_solutions", "presolve", "inequalities")


def answer(problem: Problem[T], backend: Backend | str, options: Mapping[str, Any]) -> Solution[T]:
    """Solve a problem.

    Args:
        problem: any problem.
        backend: a backend or its name.
        options: options of the backend, and `num_solutions`, `presolve` and `inequalities` of
            `qubo_dnn.solving.solve.solve`.

    Raises:
        QuboDnnError: see `solve`.

    Example:
        >>> from qubo_dnn.models.arrays import problem_from_matrix
        >>> options = {"num_reads": 2, "num_solutions": 2, "presolve": False}
        >>> answer(problem_from_matrix([[-1, 2], [0, -2]]), "exact", options).native()
        array([[0, 1],
               [1, 0]], dtype=int8)
    """
    of_solve = {name: options[name] for name in _OF_SOLVE if name in options}
    others = {name: value for name, value in options.items() if name not in _OF_SOLVE}
    chosen = get_backend(backend) if isinstance(backend, str) else backend
    return solve(problem, chosen, others, **of_solve)


def prove(problem: Problem[Any], solution: Solution[Any], seconds: float) -> Certificate:
    """Prove a bound on the objective of a problem, and the gap of its solution.

    Args:
        problem: the problem.
        solution: its solution.
        seconds: time limit of the proof.

    Example:
        >>> from qubo_dnn.models.arrays import problem_from_matrix
        >>> problem = problem_from_matrix([[-1, 2], [0, -2]])
        >>> prove(problem, answer(problem, "exact", {}), 1.0).optimal
        True
    """
    # Changing the sense twice changes nothing.
    energy = problem.in_own_sense(solution.best.objective) if solution.best.feasible else None
    return certify(problem, energy, seconds)

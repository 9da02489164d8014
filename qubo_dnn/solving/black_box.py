"""Minimise a function of a problem's states under its constraints, instead of its objective."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from qubo_dnn.backend import Backend, BlackBox, BlackBoxBackend, make_options
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_dnn.solving.solution import BackendCall, Solution
from qubo_dnn.support.arguments import checked

T = TypeVar("T")


@checked
def check_black_box(backend: Backend) -> BlackBoxBackend:
    """Return the backend if it minimises functions.

    Raises:
        UnsupportedProblemError: the backend minimises models only.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> check_black_box(get_backend("genetic")).name
        'genetic'
    """
    if not (backend.capabilities.black_box and isinstance(backend, BlackBoxBackend)):
        raise UnsupportedProblemError(
            f"backend {backend.name!r} minimises models only, not functions of states; that needs the "
            "capability black_box, see 'qubo-dnn backends show NAME'"
        )
    return backend


@checked
def solve_black_box(
    problem: Problem[T],
    backend: Backend,
    energies: BlackBox,
    options: Mapping[str, Any] | None = None,
    progress: Callable[[BackendCall], None] | None = None,
    *,
    num_solutions: int = 1,
) -> Solution[T]:
    """Minimise a function instead of a problem's objective, in one backend call without relaxation.

    Args:
        problem: gives the constraints and the decoder; its objective is not used.
        backend: with the capability `black_box`.
        energies: see `qubo_dnn.backend.BlackBox`.
        options: options of the backend. Without a `seed`, one is drawn and reported.
        progress: called after the backend call.
        num_solutions: largest number of candidates to return, >= 1.

    Returns:
        The best states; their objectives are the values of the function, in the problem's sense.

    Raises:
        OptionError: an option is unknown, out of range or not supported.
        UnsupportedProblemError: the backend minimises models only, or does not keep a constraint natively.
        BackendFailedError: the function returned something other than finite numbers.

    Example:
        >>> from qubo_dnn.registry import get_backend, get_formulation
        >>> problem = get_formulation("number-partitioning")([3, 1, 2]).compile()
        >>> def distance_from_two_ones(rows):
        ...     return abs(rows.sum(axis=1) - 2.0)
        >>> solve_black_box(problem, get_backend("genetic"), distance_from_two_ones, {"seed": 1}).best.objective
        0.0
    """
    able = check_black_box(backend)
    others = sorted(problem.constraint_kinds - backend.capabilities.native_constraints)
    if others:
        raise UnsupportedProblemError(
            f"backend {backend.name!r} does not keep constraints of the kind {others[0]}, and a function has no "
            "penalties to replace them"
        )
    started = time.perf_counter()
    settings = make_options(backend, {} if options is None else options)
    seeded = backend.capabilities.seeded
    seed = secrets.randbits(32) if settings.seed is None and seeded else settings.seed
    asked = settings.model_copy(update={"seed": seed, "num_reads": max(settings.num_reads or 1, num_solutions)})
    found = able.sample_black_box(problem, energies, asked)
    different: dict[tuple[int, ...], float] = {}
    for row in found.data(sorted_by="energy"):
        different.setdefault(tuple(int(row.sample[v]) for v in problem.variables), float(row.energy))
    samples = [dict(zip(problem.variables, state, strict=True)) for state in list(different)[:num_solutions]]
    decoded = [
        replace(problem.decode(sample), objective=problem.in_own_sense(energy))
        for sample, energy in zip(samples, different.values(), strict=False)
    ]
    # Rows break constraints only if the backend found no feasible state.
    first = decoded[0]
    seconds = time.perf_counter() - started
    done = BackendCall(number=1, objective=first.objective if first.feasible else None, seconds=seconds)
    if progress:
        progress(done)
    return Solution(
        best=first,
        candidates=tuple(decoded) if first.feasible else (first,),
        sample=samples[0],
        repaired=False,
        sampleset=found,
        backend=backend.name,
        seed=seed,
        calls=(done,),
        interrupted=bool(found.info.get("interrupted", False)),
        failed=None,
        seconds=seconds,
        convert=problem.native,
    )

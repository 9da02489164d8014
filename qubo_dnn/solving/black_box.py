"""Minimising a function of a problem's states, within its constraints, in place of its objective."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from qubo_dnn.arguments import checked
from qubo_dnn.backend import Backend, BlackBox, BlackBoxBackend, make_options
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_dnn.solving.solution import BackendCall, Solution

T = TypeVar("T")


@checked
def check_black_box(backend: Backend) -> BlackBoxBackend:
    """The backend, if it minimises functions.

    Raises:
        UnsupportedProblemError: it knows models only.
    """
    if not (backend.capabilities.black_box and isinstance(backend, BlackBoxBackend)):
        raise UnsupportedProblemError(
            f"backend {backend.name!r} minimises models only, not what is measured state by state; that needs the "
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
    """Minimise a function where `qubo_dnn.solving.solve.solve` minimises the objective; in one call, nothing relaxed.

    Args:
        problem: its constraints and its decoder; the objective is not looked at.
        backend: with the capability `black_box`.
        energies: see `qubo_dnn.backend.BlackBox`.
        options: of the backend; without a `seed` one is drawn and reported.
        progress: called after the call of the backend.
        num_solutions: most candidates to return, >= 1.

    Returns:
        The best states found; objectives are what the function said, in the problem's sense.

    Raises:
        OptionError: an option is unknown, out of range or not supported.
        UnsupportedProblemError: the backend knows models only, or does not keep a constraint natively.
        BackendFailedError: the function gave something else than finite numbers.
    """
    able = check_black_box(backend)
    others = sorted(problem.constraint_kinds - backend.capabilities.native_constraints)
    if others:
        raise UnsupportedProblemError(
            f"backend {backend.name!r} does not keep constraints of the kind {others[0]}, and a function has no "
            "penalties to do it for them"
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
    # Rows break constraints only where none was found that keeps them.
    first = decoded[0]
    seconds = time.perf_counter() - started
    done = BackendCall(
        number=1,
        multipliers={},
        penalties=None,
        weights={},
        broken=(),
        presolve={},
        objective=first.objective if first.feasible else None,
        seconds=seconds,
    )
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
    )

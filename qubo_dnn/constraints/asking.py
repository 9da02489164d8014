"""What a backend is asked, and that its answer belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import dimod

from qubo_dnn.backend import Backend, ConstrainedBackend, SolveOptions, Startable
from qubo_dnn.errors import BackendFailedError
from qubo_dnn.problem import Problem, Sample, Variable


def ask(backend: Backend, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
    """Sample a problem that the backend takes as it is, with native constraints or without constraints.

    Raises:
        BackendFailedError: the sample set has no rows, the wrong variables, or values other than 0 and 1.

    Example:
        >>> from qubo_dnn.registry import get_backend, get_formulation
        >>> partition, backend = get_formulation("number-partitioning")([3, 1, 2]).compile(), get_backend("tabu")
        >>> found = ask(backend, partition, backend.options_type(num_reads=10, seed=1))
        >>> len(found), float(found.first.energy)
        (10, 0.0)
    """
    if problem.constraint_kinds or problem.low_rank is not None:
        answer = cast(ConstrainedBackend, backend).sample_constrained(problem, options)
    else:
        answer = backend.sample(problem.objective, options)
    if not len(answer):
        raise BackendFailedError(f"backend {backend.name!r} returned no sample")
    if answer.vartype is not dimod.BINARY or set(answer.variables) != set(problem.variables):
        raise BackendFailedError(f"backend {backend.name!r} returned samples of another model than it was given")
    return answer


def begun_at(
    backend: Backend, options: SolveOptions, start: Sample | None, variables: Sequence[Variable]
) -> SolveOptions:
    """Return options that let a backend begin at a state, too; the given ones if it cannot, or without a state.

    Args:
        backend: see `qubo_dnn.backend.Startable`.
        options: of the backend.
        start: state, of further variables as well.
        variables: those of the model that the backend is asked. The state may lack slack variables.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> pt = get_backend("pt")
        >>> begun_at(pt, pt.options_type(), {"a": 1, "b": 0}, ["b"]).initial_states
        {'b': 0}
    """
    if start is None or not isinstance(backend, Startable) or not start.keys() >= set(variables):
        return options
    return backend.begun_at(options, {variable: start[variable] for variable in variables})

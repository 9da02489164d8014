"""Options of a backend as parameters of a dimod sampler, with errors of the kinds that Ocean's samplers raise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from qubo_dnn.backend import Backend, SolveOptions, make_options
from qubo_dnn.errors import ArgumentError, OptionError

# Errors of pydantic for values that are no integers.
_NO_INTEGER = {"int_type", "int_from_float", "int_parsing", "finite_number"}


def honoured(backend: Backend) -> list[str]:
    """Return the names of the options that the backend does not refuse by its capabilities.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> honoured(get_backend("steepest-descent"))[:3]
        ['num_reads', 'seed', 'time_limit']
    """
    able = backend.capabilities
    refused = {name for name, kept in (("seed", able.seeded), ("time_limit", able.timed)) if not kept}
    return [name for name in backend.options_type.model_fields if name not in refused]


def choices(options: type[SolveOptions]) -> dict[str, tuple[Any, ...]]:
    """Return the values of the options that have only a few.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> choices(get_backend("neal").options_type)["proposal_acceptance_criteria"]
        ('Metropolis', 'Gibbs')
    """
    found: dict[str, tuple[Any, ...]] = {}
    for name, field in options.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if get_origin(kind) is Literal:
                found[name] = get_args(kind)
    return found


def property_of(option: str) -> str:
    """Return the name of the property with an option's values: that of dwave-samplers for `beta_schedule_type`.

    Example:
        >>> property_of("beta_schedule_type")
        'beta_schedule_options'
    """
    return f"{option.removesuffix('_type')}_options"


def ocean_options(backend: Backend, given: Mapping[str, Any]) -> SolveOptions:
    """Validate options as `make_options`, but raise a TypeError where Ocean's samplers do.

    Raises:
        ArgumentError: an option that must be an integer is none.
        OptionError: see `qubo_dnn.backend.make_options`.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> ocean_options(get_backend("tabu"), {"num_reads": 10.0})
        Traceback (most recent call last):
        qubo_dnn.errors.ArgumentError: backend 'tabu', option num_reads: must be int, not float: 10.0
    """
    fields = backend.options_type.model_fields
    for name, value in given.items():
        # Ocean takes 10 and not 10.0 for an integer; a text from a command line is converted.
        if isinstance(value, float) and name in fields and fields[name].annotation in (int, int | None):
            raise ArgumentError(f"backend {backend.name!r}, option {name}: must be int, not float: {value!r}")
    try:
        return make_options(backend, given)
    except OptionError as error:
        cause = error.__cause__
        if isinstance(cause, ValidationError) and cause.errors()[0]["type"] in _NO_INTEGER:
            raise ArgumentError(str(error)) from cause
        raise

"""Cases of the backend kit for inputs that a backend must refuse, and for its errors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from qubo_dnn.backend import Backend, make_options
from qubo_dnn.errors import FormulationError, OptionError, QuboDnnError, UnsupportedProblemError
from qubo_dnn.testing.backend_cases.models import BQM, rugged_model
from qubo_dnn.testing.common import NotApplicable, expect


def too_large_is_refused(backend: Backend) -> None:
    """More than `capabilities.max_variables` variables raise `UnsupportedProblemError`, which names the limit.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> too_large_is_refused(get_backend("exact"))
    """
    limit = backend.capabilities.max_variables
    if limit is None:
        raise NotApplicable("capabilities.max_variables is None: there is no limit")
    model = BQM(dict.fromkeys(range(limit + 1), 1.0), {}, 0.0, "BINARY")
    text = _refusal(UnsupportedProblemError, backend, model, f"{limit + 1} variables")
    expect(str(limit) in text, f"the error does not name the limit {limit}: {text}")


def not_finite_is_refused(backend: Backend) -> None:
    """NaN and infinite biases raise `FormulationError`.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> not_finite_is_refused(get_backend("steepest-descent"))
    """
    for value in (math.nan, math.inf):
        _refusal(FormulationError, backend, BQM({"a": value}, {}, 0.0, "BINARY"), f"a linear bias of {value}")
        _refusal(FormulationError, backend, BQM({}, {"ab": value}, 0.0, "SPIN"), f"a quadratic bias of {value}")
        _refusal(FormulationError, backend, BQM({"a": 1.0}, {}, value, "BINARY"), f"an offset of {value}")


def bad_options_are_refused(backend: Backend) -> None:
    """Unknown option names and values out of range are refused; the error suggests a similar name.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> bad_options_are_refused(get_backend("steepest-descent"))
    """
    try:
        backend.options_type(**{"num_readz": 3})
    except ValidationError:
        pass
    else:
        raise AssertionError("options_type ignores an unknown option; it must keep SolveOptions' extra='forbid'")
    expect("num_reads" in _option_refusal(backend, {"num_readz": 3}), "the error does not suggest the similar name")
    for values in ({"num_reads": 0}, {"seed": -1}, {"time_limit": 0}, {"time_limit": -1}, {"num_reads": "many"}):
        _option_refusal(backend, values)


def unsupported_options_are_refused(backend: Backend) -> None:
    """`seed` and `time_limit` are refused, not ignored, if the capabilities exclude them.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> unsupported_options_are_refused(get_backend("steepest-descent"))
        Traceback (most recent call last):
        qubo_dnn.testing.common.NotApplicable: all common options are supported
    """
    able = backend.capabilities
    lacking = {"seed": not able.seeded, "time_limit": not able.timed}
    if not any(lacking.values()):
        raise NotApplicable("all common options are supported")
    for name in (name for name, lacks in lacking.items() if lacks):
        options = backend.options_type(**{name: 1})
        try:
            backend.sample(rugged_model(2, 1), options)
        except OptionError:
            continue
        raise AssertionError(f"the option {name!r} was accepted although the capabilities exclude it")


def _refusal(error: type[QuboDnnError], backend: Backend, model: BQM, what: str) -> str:
    """Return the text of the error that `model` must raise."""
    try:
        backend.sample(model, make_options(backend, {}))
    except error as refused:
        return str(refused)
    raise AssertionError(f"a model with {what} was accepted, but must raise {error.__name__}")


def _option_refusal(backend: Backend, values: Mapping[str, Any]) -> str:
    """Return the text of the error that option values must raise."""
    try:
        make_options(backend, values)
    except OptionError as refused:
        return str(refused)
    raise AssertionError(f"the options {dict(values)} were accepted, but must raise OptionError")

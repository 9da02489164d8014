"""Type checkers know the options of every built-in backend."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_overloads, get_type_hints

import pytest

from qubo_dnn.api import arguments
from qubo_dnn.api.solving import solve
from qubo_dnn.backend import Backend, SolveOptions
from qubo_dnn.registry import get_backend, list_backends

if TYPE_CHECKING:
    # For `make lint`: mypy reports what is wrong below, and comments that suppress nothing.
    name = ""
    solve([[1.0]], "pt", num_sweeps=10, seed=1)
    solve([[1.0]], num_replicas=4)
    solve([[1.0]], name, seed=1)
    solve([[1.0]], get_backend(name), anything=1)
    solve([[1.0]], num_raeds=1)  # type: ignore[call-overload]
    solve([[1.0]], "neal", num_raeds=1)  # type: ignore[call-overload]
    solve([[1.0]], "tabu", beta_range=(0.1, 1.0))  # type: ignore[call-overload]
    solve([[1.0]], "pt", num_sweeps="many")  # type: ignore[call-overload]


def overloads() -> dict[Any, Any]:
    """Literal name, or another type of `backend` -> the arguments of that overload."""
    found = {}
    for each in get_overloads(inspect.unwrap(solve)):
        hints = get_type_hints(each, include_extras=True)
        backend, (options,) = hints["backend"], get_args(hints["options"]) or (Any,)
        found[get_args(backend)[0] if get_origin(backend) is Literal else backend] = options
    return found


@pytest.mark.parametrize("name", list_backends())
def test_the_options_of_a_backend_are_those_of_its_own_class(name: str) -> None:
    kind = get_backend(name).options_type
    hints = get_type_hints(kind)
    own = {option: hints[option] for option in kind.model_fields if option not in SolveOptions.model_fields}
    typed = get_type_hints(overloads()[name])
    assert {option: hint for option, hint in typed.items() if option not in arguments.Common.__annotations__} == own


def test_every_other_backend_is_taken_by_name_or_as_an_instance() -> None:
    assert overloads().keys() == {*list_backends(), str, Backend}

"""Refusals of arguments of another kind than a function takes: one line that says what it takes."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from pathlib import Path
from typing import Any

import dimod
import numpy as np

from qubo_dnn.backend import Backend
from qubo_dnn.errors import ArgumentError, OptionError
from qubo_dnn.formulation import Formulation
from qubo_dnn.problem import Problem


def check_problem(given: object) -> None:
    """Refuse what is no `Problem`.

    Raises:
        ArgumentError: the text says how to get one from what was given.
    """
    if isinstance(given, Problem):
        return
    ways = (
        (type, "make an instance, and call its compile()"),
        (Formulation, "call its compile()"),
        (dimod.BinaryQuadraticModel, "see qubo_dnn.models.problem_from_bqm"),
        (dimod.ConstrainedQuadraticModel, "see qubo_dnn.models.problem_from_cqm"),
        ((str, Path), "see qubo_dnn.loading.load_problem"),
    )
    way = next((way for kind, way in ways if isinstance(given, kind)), "which a formulation's compile() returns")
    raise ArgumentError(f"a Problem is needed, not {described(given)}: {way}")


def check_backend(given: object) -> None:
    """Refuse what is no backend's instance.

    Raises:
        ArgumentError: the text says how to get one.
    """
    if isinstance(given, type) or not isinstance(given, Backend):
        raise ArgumentError(
            f"a backend is needed, not {described(given)}: see qubo_dnn.registry.get_backend, such as get_backend('pt')"
        )


def check_name(what: str, given: object) -> None:
    """Refuse what is no text where something is named.

    Raises:
        ArgumentError: the text says what is named.
    """
    if not isinstance(given, str):
        raise ArgumentError(f"{what} is named by a text, not by {described(given)}")


def check_count(name: str, given: object) -> None:
    """Refuse what is no whole number of at least 1.

    Raises:
        ArgumentError: it is no whole number.
        OptionError: it is less than 1.
    """
    if isinstance(given, bool) or not isinstance(given, Integral):
        raise ArgumentError(f"{name} must be a whole number, not {given!r}")
    if given < 1:
        raise OptionError(f"{name} must be at least 1, not {given}")


def check_switch(name: str, given: object) -> None:
    """Refuse what is neither True nor False.

    Raises:
        ArgumentError: the text names it.
    """
    if not isinstance(given, bool | np.bool_):
        raise ArgumentError(f"{name} must be True or False, not {given!r}")


def check_callable(name: str, given: Callable[..., Any] | None) -> None:
    """Refuse what is neither None nor can be called.

    Raises:
        ArgumentError: the text names it.
    """
    if given is not None and not callable(given):
        raise ArgumentError(f"{name} must be a function, not {described(given)}")


def described(given: object) -> str:
    """What something is, for a message."""
    if given is None:
        return "None"
    if isinstance(given, type):
        return f"the class {given.__name__}"
    return f"the text {given!r}" if isinstance(given, str) else f"an object of the class {type(given).__name__}"

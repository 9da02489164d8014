"""Plugins by name, found through entry points and loaded at first use."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from itertools import groupby
from typing import Any

from qubo_dnn.backend import Backend
from qubo_dnn.errors import (
    BackendUnavailableError,
    MissingExtraError,
    OptionError,
    UnknownBackendError,
    UnknownFormulationError,
    UnknownNameError,
)
from qubo_dnn.formulation import Formulation
from qubo_dnn.support.arguments import checked

BACKENDS, FORMULATIONS = "qubo_dnn.backends", "qubo_dnn.formulations"


@cache
def _plugins(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    """Map each name to its entry points, in alphabetical order; several if distributions clash."""
    points = sorted(entry_points(group=group), key=lambda point: point.name)
    return {name: tuple(same) for name, same in groupby(points, key=lambda point: point.name)}


def list_backends() -> tuple[str, ...]:
    """Return the names of all installed backends without importing them.

    Example:
        >>> "pt" in list_backends()
        True
    """
    return tuple(_plugins(BACKENDS))


def list_formulations() -> tuple[str, ...]:
    """Return the names of all installed formulations without importing them.

    Example:
        >>> "knapsack" in list_formulations()
        True
    """
    return tuple(_plugins(FORMULATIONS))


def origin(group: str, name: str) -> str:
    """Return the distribution and version that provide the plugin `name` of the entry point group `group`.

    Example:
        >>> origin(BACKENDS, "pt")
        'qubo-dnn ...'
    """
    distributions = [point.dist for point in _plugins(group)[name]]
    return " and ".join(f"{each.name} {each.version}" if each else "unknown" for each in distributions)


@checked
def get_backend(name: str) -> Backend:
    """Make an instance of the backend registered as `name`.

    Args:
        name: name of the backend, or `name:variant` for a backend with variants, such as the solvers of a service:
            `dwave-qpu:Advantage_system6.4`.

    Raises:
        UnknownBackendError: no such backend is installed.
        OptionError: several distributions provide a backend of that name, or it has no variants.
        BackendUnavailableError: the backend or a package that it needs cannot be imported.

    Example:
        >>> get_backend("tabu").name
        'tabu'
    """
    plain, _, variant = name.partition(":")
    unknown = UnknownBackendError("backend", plain, list_backends())
    kind: Callable[..., Backend] = _load(BACKENDS, plain, unknown, BackendUnavailableError)
    if not variant:
        return kind()
    if "variant" not in inspect.signature(kind).parameters:
        raise OptionError(f"backend {plain!r} has no variants; remove {variant!r}")
    return kind(variant=variant)


@checked
def get_formulation(name: str) -> type[Formulation[Any]]:
    """Return the formulation class registered as `name`.

    Raises:
        UnknownFormulationError: no such formulation is installed.
        OptionError: several distributions provide a formulation of that name.
        MissingExtraError: the formulation or a package that it needs cannot be imported.

    Example:
        >>> knapsack = get_formulation("knapsack")
        >>> knapsack.example(seed=0).compile().sense
        'max'
    """
    unknown = UnknownFormulationError("formulation", name, list_formulations())
    formulation: type[Formulation[Any]] = _load(FORMULATIONS, name, unknown, MissingExtraError)
    return formulation


def _load(group: str, name: str, unknown: UnknownNameError, unavailable: type[MissingExtraError]) -> Any:
    points = _plugins(group).get(name)
    if points is None:
        raise unknown
    if len(points) > 1:
        raise OptionError(f"the name {name!r} is not unique: {origin(group, name)} provide it; uninstall all but one")
    try:
        return points[0].load()
    except MissingExtraError:
        raise
    except (ImportError, AttributeError) as cause:
        raise unavailable(f"{name!r} of {origin(group, name)} cannot be loaded: {cause}") from cause

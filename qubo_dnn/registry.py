"""Names to plugins, by entry points, loaded when they are asked for."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from qubo_dnn.backend import Backend
from qubo_dnn.errors import (
    BackendUnavailableError,
    MissingExtraError,
    UnknownBackendError,
    UnknownFormulationError,
    UnknownNameError,
)
from qubo_dnn.formulation import Formulation

BACKENDS, FORMULATIONS = "qubo_dnn.backends", "qubo_dnn.formulations"


@cache
def _plugins(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}


def backend_names() -> tuple[str, ...]:
    """Names of all installed backends; nothing is imported."""
    return tuple(_plugins(BACKENDS))


def formulation_names() -> tuple[str, ...]:
    """Names of all installed formulations; nothing is imported."""
    return tuple(_plugins(FORMULATIONS))


def origin(group: str, name: str) -> str:
    """Distribution and version that brings the plugin `name` of the entry point group `group`."""
    distribution = _plugins(group)[name].dist
    return f"{distribution.name} {distribution.version}" if distribution else "unknown"


def get_backend(name: str) -> Backend:
    """An instance of the backend registered as `name`.

    Raises:
        UnknownBackendError: no such backend is installed.
        BackendUnavailableError: it, or a package it needs, cannot be imported.
    """
    backend: Backend = _load(BACKENDS, name, UnknownBackendError("backend", name, backend_names()))()
    return backend


def get_formulation(name: str) -> type[Formulation[Any]]:
    """The formulation class registered as `name`.

    Raises:
        UnknownFormulationError: no such formulation is installed.
        MissingExtraError: a package it needs cannot be imported.
    """
    unknown = UnknownFormulationError("formulation", name, formulation_names())
    formulation: type[Formulation[Any]] = _load(FORMULATIONS, name, unknown)
    return formulation


def _load(group: str, name: str, unknown: UnknownNameError) -> Any:
    point = _plugins(group).get(name)
    if point is None:
        raise unknown
    try:
        return point.load()
    except MissingExtraError:
        raise
    except (ImportError, AttributeError) as cause:
        raise BackendUnavailableError(f"{name!r} of {origin(group, name)} cannot be loaded: {cause}") from cause

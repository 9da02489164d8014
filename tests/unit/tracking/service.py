"""A backend whose options hold tokens."""

from __future__ import annotations

from typing import Any

from qubo_dnn.backend import Backend, SolveOptions
from qubo_dnn.registry import get_backend

TOKEN = "DEV-0123456789abcdef"
SECRET: dict[str, Any] = {"api_token": TOKEN, "service": {"password": TOKEN, "url": "x"}}


class WithToken(SolveOptions):
    """Options of a service."""

    api_token: str | None = None
    service: dict[str, str] | None = None


def of_a_service() -> Backend:
    """A new instance, which samples with `tabu`."""
    tabu: Any = get_backend("tabu")

    def sample(_: Backend, bqm: Any, options: SolveOptions) -> Any:
        return tabu.sample(bqm, tabu.options_type(seed=options.seed))

    options = type("Options", (tabu.options_type, WithToken), {})
    made: Backend = type("Service", (type(tabu),), {"options_type": options, "sample": sample})()
    return made

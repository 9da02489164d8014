"""Backends that search for a tenth of their usual time, for cases that ask for many runs and look at no quality."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from qubo_backends.genetic import GeneticBackend, GeneticOptions
from qubo_backends.reinforcement import ReinforcementBackend, ReinforcementOptions
from qubo_dnn.backend import SolveOptions
from qubo_dnn.registry import get_backend


class FewGenerations(GeneticOptions):
    """Twenty generations in place of the two hundred for the models of the kit."""

    generations: int | None = Field(default=20, ge=1, description="number of generations")


class BriefGenetic(GeneticBackend):
    """`genetic` for a few generations."""

    options_type: ClassVar[type[SolveOptions]] = FewGenerations


class FewEpisodes(ReinforcementOptions):
    """Four batches in place of fifty."""

    episodes: int = Field(default=1024, ge=1, examples=[1], description="number of episodes")


class BriefReinforcement(ReinforcementBackend):
    """`reinforcement` for a few episodes."""

    options_type: ClassVar[type[SolveOptions]] = FewEpisodes


def brief(name: str) -> Any:
    """Return the backend, a brief one of those that search for seconds.

    Raises:
        BackendUnavailableError: its package is missing.
    """
    searches = {"genetic": BriefGenetic, "reinforcement": BriefReinforcement}
    return searches[name]() if name in searches else get_backend(name)

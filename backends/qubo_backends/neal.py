"""Simulated annealing with D-Wave's `neal`, a common baseline, with its documented defaults."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from neal import SimulatedAnnealingSampler
from pydantic import BeforeValidator, Field

from qubo_backends._shared import annealing
from qubo_dnn.backend import SolveOptions


def _capitalized(value: object) -> object:
    return value.capitalize() if isinstance(value, str) else value


class NealOptions(annealing.AnnealingOptions):
    """Options of `neal`; names and defaults are those of `SimulatedAnnealingSampler`.

    Example:
        >>> NealOptions(num_reads=10, beta_range="0.1,10").beta_range
        (0.1, 10.0)
    """

    passed_on: ClassVar[tuple[str, ...]] = ("randomize_order", "proposal_acceptance_criteria")

    beta_schedule: annealing.Schedule | None = Field(
        default=None, description="inverse temperatures of a custom schedule, in 1/unit of the model"
    )
    randomize_order: bool = Field(
        default=False, description="visit the variables in random order instead of in sequence"
    )
    proposal_acceptance_criteria: Annotated[Literal["Metropolis", "Gibbs"], BeforeValidator(_capitalized)] = Field(
        default="Metropolis", description="acceptance rule of a flip"
    )


class NealBackend(annealing.Annealer[NealOptions]):
    """Simulated annealing on this machine.

    Example:
        >>> import dimod
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> best = NealBackend().sample(bqm, NealOptions(num_reads=2, seed=1)).first
        >>> int(best.sample["a"]), int(best.sample["b"]), float(best.energy)
        (1, 0, -1.0)
    """

    name: ClassVar[str] = "neal"
    summary: ClassVar[str] = "simulated annealing on this machine (D-Wave's neal)"
    options_type: ClassVar[type[SolveOptions]] = NealOptions
    sampler = SimulatedAnnealingSampler

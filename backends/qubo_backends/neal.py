"""Simulated annealing with D-Wave's `neal`, a common baseline, with its documented defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import dimod
import numpy as np
from neal import SimulatedAnnealingSampler
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from qubo_backends import _annealing, _ocean, _sampling
from qubo_dnn.backend import Capabilities, SolveOptions


def _capitalized(value: object) -> object:
    return value.capitalize() if isinstance(value, str) else value


class NealOptions(_annealing.AnnealingOptions):
    """Options of `neal`; names and defaults are those of `SimulatedAnnealingSampler`.

    Example:
        >>> NealOptions(num_reads=10, beta_range="0.1,10").beta_range
        (0.1, 10.0)
    """

    beta_schedule: _annealing.Schedule | None = Field(
        default=None, description="inverse temperatures of a custom schedule, in 1/unit of the model"
    )
    randomize_order: bool = Field(
        default=False, description="visit the variables in random order instead of in sequence"
    )
    proposal_acceptance_criteria: Annotated[Literal["Metropolis", "Gibbs"], BeforeValidator(_capitalized)] = Field(
        default="Metropolis", description="acceptance rule of a flip"
    )


class NealBackend:
    """Simulated annealing on this machine.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> best = NealBackend().sample(bqm, NealOptions(num_reads=2, seed=1)).first
        >>> int(best.sample["a"]), int(best.sample["b"]), float(best.energy)
        (1, 0, -1.0)
    """

    name: ClassVar[str] = "neal"
    summary: ClassVar[str] = "simulated annealing on this machine (D-Wave's neal)"
    options_type: ClassVar[type[SolveOptions]] = NealOptions

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities()

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`."""
        options = _sampling.typed_options(self, options, NealOptions)
        return _ocean.run(self, bqm, options, dimod.SPIN, lambda job: _draw(job, options))


def _draw(job: _ocean.SamplerJob, options: NealOptions) -> _ocean.Drawn:
    beta_range = options.range_for(job.bqm)

    def draw(reads: slice, steps: int, seed: int, stop: Callable[[], bool]) -> NDArray[np.int8]:
        found = job.sample(
            SimulatedAnnealingSampler(),
            job.starts_of(reads),
            seed=seed,
            randomize_order=options.randomize_order,
            proposal_acceptance_criteria=options.proposal_acceptance_criteria,
            interrupt_function=stop,
            **options.temperatures(steps, beta_range),
        )
        return _ocean.columns(found)

    rows, steps = _annealing.anneal(job, options.steps, draw)
    return _ocean.Drawn(rows, options.report(steps, beta_range))

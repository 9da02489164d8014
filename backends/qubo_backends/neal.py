"""Simulated annealing with D-Wave's `neal`, a common baseline, with its documented defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import dimod
import numpy as np
from neal import SimulatedAnnealingSampler
from numpy.typing import NDArray
from pydantic import Field

from qubo_backends import _annealing, _ocean, _sampling
from qubo_dnn.backend import Capabilities, SolveOptions


class NealOptions(_annealing.AnnealingOptions):
    """Options of `neal`; names and defaults are those of `SimulatedAnnealingSampler`.

    Example:
        >>> NealOptions(num_reads=10, beta_range="0.1,10").beta_range
        (0.1, 10.0)
    """

    randomize_order: bool = Field(
        default=False, description="visit the variables in random order instead of in sequence"
    )
    proposal_acceptance_criteria: Literal["Metropolis", "Gibbs"] = Field(
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


def _draw(job: _ocean.SamplerJob, options: NealOptions) -> tuple[NDArray[np.int8], dict[str, Any]]:
    beta_range = options.beta_range or _annealing.default_beta_range(job.bqm)

    def draw(reads: int, sweeps: int, seed: int, stop: Callable[[], bool]) -> NDArray[np.int8]:
        return _ocean.columns(
            SimulatedAnnealingSampler().sample(
                job.bqm,
                num_reads=reads,
                num_sweeps=sweeps,
                seed=seed,
                beta_range=beta_range,
                beta_schedule_type=options.beta_schedule_type,
                randomize_order=options.randomize_order,
                proposal_acceptance_criteria=options.proposal_acceptance_criteria,
                interrupt_function=stop,
            )
        )

    rows, sweeps = _annealing.anneal(job, options.num_sweeps, draw)
    return rows, {"sweeps": sweeps, "beta_range": beta_range}

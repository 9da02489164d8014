"""Simulated annealing with D-Wave's `neal`, a common baseline, with its documented defaults."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from neal import SimulatedAnnealingSampler
from pydantic import Field

from qubo_backends import _annealing
from qubo_dnn.backend import SolveOptions


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


class NealBackend(_annealing.Annealer[NealOptions]):
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

    def settings(self, options: NealOptions, _sweeps: int) -> dict[str, Any]:
        """See `Annealer.settings`."""
        return options.model_dump(include={"randomize_order", "proposal_acceptance_criteria"})

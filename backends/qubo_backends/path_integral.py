"""Simulated quantum annealing by path integral Monte Carlo (dwave-samplers).

Every variable is a spin in a transverse field; cluster moves update its world line in imaginary time.

Source: King et al. 2021, https://doi.org/10.1038/s41467-021-20901-5.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from dwave.samplers import PathIntegralAnnealingSampler
from numpy.typing import NDArray
from pydantic import Field, model_validator

from qubo_backends._shared import annealing, ocean, sampling
from qubo_dnn.backend import UNSEEN, SolveOptions
from qubo_dnn.errors import OptionError

_CHAIN = "chains occur in models whose variables are the qubits of an embedding, chain after chain"
_WORLD_LINES = "world lines do not change the samples of a seed"
_OF_ONE_CALL = ("project_states", "breaks_buffer_out", "schedule_sample_interval")


class PathIntegralOptions(annealing.AnnealingOptions):
    """Options of `path-integral`; names and meanings are those of the sampler, except for `transverse_field`.

    The default of the sampler is no transverse field, hence no quantum annealing; the default here has one. World lines
    (`project_states`, `breaks_buffer_out`) and `schedule_sample_interval` belong to one call of the sampler, so they
    exclude a time limit. Columns of their arrays in `info` are the variables of the sample set. A run cannot start from
    world lines (`num_breaks`, `breaks_in`), because the sampler writes beyond the memory that it has for them.

    Example:
        >>> PathIntegralOptions(transverse_field="5,0.1").transverse_field
        (5.0, 0.1)
    """

    default_sweeps: ClassVar[int] = 100
    schedule_option: ClassVar[str] = "Hp_field"
    passed_on: ClassVar[tuple[str, ...]] = (
        *("Gamma", "chain_coupler_strength", "qubits_per_chain", "qubits_per_update", "make_info_json_serializable"),
        *_OF_ONE_CALL,
    )

    num_sweeps: int | None = Field(
        default=None, ge=0, description="number of sweeps per read (default: 100, or as a custom schedule has it)"
    )
    transverse_field: sampling.FloatPair = Field(
        default=(10.0, 0.01),
        description="first,last product of field and inverse temperature, spaced geometrically; 0,0: no field",
    )
    Hp_field: annealing.Schedule | None = Field(
        default=None, description="inverse temperatures of a custom schedule, in 1/unit of the model"
    )
    Hd_field: annealing.Schedule | None = Field(
        default=None,
        description="products of transverse field and inverse temperature, one per step, in place of transverse_field",
    )
    Gamma: float | None = Field(
        default=None, description="transverse field", json_schema_extra={UNSEEN: "every step of the schedule sets it"}
    )
    chain_coupler_strength: float | None = Field(
        default=None, description="coupling inside chains (default: 1)", json_schema_extra={UNSEEN: _CHAIN}
    )
    qubits_per_chain: int | None = Field(
        default=None, ge=1, description="length of all chains (default: 1)", json_schema_extra={UNSEEN: _CHAIN}
    )
    qubits_per_update: int | None = Field(
        default=None,
        ge=1,
        description="1: update qubits in random order; more: chains in sequence (default: 1)",
        json_schema_extra={UNSEEN: _CHAIN},
    )
    schedule_sample_interval: int | None = Field(
        default=None,
        ge=1,
        description="number of steps between the states in info['statistics'] (default: none)",
        json_schema_extra={UNSEEN: _WORLD_LINES},
    )
    project_states: tuple[Literal[True], bool] | None = Field(
        default=None, description="(True, False): report the final world lines in info; from Python only"
    )
    breaks_buffer_out: Any = Field(default=None, description="buffer for the final breaks; from Python only")
    make_info_json_serializable: bool | None = Field(
        default=None,
        description="lists in place of arrays in info (default: False)",
        json_schema_extra={UNSEEN: _WORLD_LINES},
    )

    @model_validator(mode="after")
    def _field_usable(self) -> PathIntegralOptions:
        if self.transverse_field != (0, 0) and min(self.transverse_field) <= 0:
            raise ValueError("transverse_field must be two positive numbers, or 0,0")
        if self.Hd_field is not None and len(self.Hd_field) != self.steps:
            raise ValueError(f"Hd_field must have one entry for each of the {self.steps} steps")
        if (self.qubits_per_update or 1) > (self.qubits_per_chain or 1):
            raise ValueError("qubits_per_update must not exceed qubits_per_chain")
        if self.time_limit is not None and any(getattr(self, name) is not None for name in _OF_ONE_CALL):
            raise ValueError(f"a time limit cannot be used with {', '.join(_OF_ONE_CALL)}")
        return self

    def driver(self, steps: int) -> NDArray[np.float64]:
        """Return `[steps]` products of transverse field and inverse temperature.

        Example:
            >>> PathIntegralOptions(transverse_field=(4.0, 1.0)).driver(3).tolist()
            [4.0, 2.0, 1.0]
        """
        if self.Hd_field is not None:
            return annealing.thinned(self.Hd_field, steps)
        first, last = self.transverse_field
        return np.geomspace(last, first, steps)[::-1] if first else np.zeros(steps)

    def arguments(self, steps: int, beta_range: tuple[float, float]) -> dict[str, Any]:
        """See `AnnealingOptions.arguments`."""
        return super().arguments(steps, beta_range) | {"Hd_field": self.driver(steps)}

    def report(self, steps: int, beta_range: tuple[float, float]) -> dict[str, Any]:
        """See `AnnealingOptions.report`."""
        return super().report(steps, beta_range) | {"transverse_field": self.transverse_field}


class PathIntegralBackend(annealing.Annealer[PathIntegralOptions]):
    """Path integral annealing on this machine.

    Example:
        >>> import dimod
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> best = PathIntegralBackend().sample(bqm, PathIntegralOptions(num_reads=2, seed=1)).first
        >>> int(best.sample["a"]), int(best.sample["b"]), float(best.energy)
        (1, 0, -1.0)
    """

    name: ClassVar[str] = "path-integral"
    summary: ClassVar[str] = "simulated quantum annealing on this machine (D-Wave's path integral annealer)"
    options_type: ClassVar[type[SolveOptions]] = PathIntegralOptions
    sampler = PathIntegralAnnealingSampler
    reported = ("statistics", "num_breaks", "complete_break_specification", "break_positions")

    def draw(self, job: ocean.SamplerJob, options: PathIntegralOptions) -> ocean.Drawn:
        """See `OceanBackend.draw`."""
        length = options.qubits_per_chain or 1
        if job.bqm.num_variables % length:
            raise OptionError(f"{job.bqm.num_variables} variables are not chains of qubits_per_chain, {length}")
        return super().draw(job, options)

"""Simulated quantum annealing by path integral Monte Carlo (dwave-samplers).

Every variable is a spin in a transverse field; cluster moves update its world line in imaginary time.

Source: King et al. 2021, https://doi.org/10.1038/s41467-021-20901-5.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from dwave.samplers import PathIntegralAnnealingSampler
from numpy.typing import NDArray
from pydantic import Field, model_validator

from qubo_backends import _annealing, _ocean, _sampling
from qubo_dnn.backend import SolveOptions


class PathIntegralOptions(_annealing.AnnealingOptions):
    """Options of `path-integral`.

    The default of the sampler is no transverse field, hence no quantum annealing; the default here has one.

    Example:
        >>> PathIntegralOptions(transverse_field="5,0.1").transverse_field
        (5.0, 0.1)
    """

    num_sweeps: int = Field(default=100, ge=1, description="number of sweeps per read")
    transverse_field: _sampling.FloatPair = Field(
        default=(10.0, 0.01),
        description="first,last product of field and inverse temperature, spaced geometrically; 0,0: no field",
    )

    @model_validator(mode="after")
    def _field_usable(self) -> PathIntegralOptions:
        if self.transverse_field != (0, 0) and min(self.transverse_field) <= 0:
            raise ValueError("transverse_field must be two positive numbers, or 0,0")
        return self


class PathIntegralBackend(_annealing.Annealer[PathIntegralOptions]):
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

    def settings(self, options: PathIntegralOptions, sweeps: int) -> dict[str, Any]:
        """See `Annealer.settings`."""
        first, last = options.transverse_field
        return {"Hd_field": np.geomspace(last, first, sweeps)[::-1] if first else np.zeros(sweeps)}

    def draw(self, job: _ocean.SamplerJob, options: PathIntegralOptions) -> tuple[NDArray[np.int8], dict[str, Any]]:
        """See `OceanBackend.draw`."""
        rows, info = super().draw(job, options)
        return rows, info | {"transverse_field": options.transverse_field}

"""Multistart tabu search (dwave-samplers).

Source: Palubeckis 2004, https://doi.org/10.1023/B:ANOR.0000039522.58036.68.
"""

from __future__ import annotations

import math
from typing import ClassVar

import dimod
import numpy as np
from dwave.samplers import TabuSampler
from numpy.typing import NDArray
from pydantic import Field

from qubo_backends._shared import ocean
from qubo_dnn.backend import UNSEEN, SolveOptions
from qubo_dnn.errors import OptionError

_PASSED_ON = {"tenure", "coefficient_z_first", "coefficient_z_restart", "lower_bound_z"}
_RESTARTS, _RESTARTS_WITH_TIMEOUT = 10, 1_000_000
# The first is the sampler's constant minimum of updates. Here the minimum grows with the squared number of variables up
# to that value, so that only models of fewer than 100 variables get less.
_LEAST_UPDATES, _LEAST_PER_SQUARE = 500_000, 50
# A flip updates every variable. On few variables, the first search makes at most this many flips per state, and
# restarts make a quarter of that.
_FLIPS_PER_STATE, _FLIPS = 16, 10_000


class TabuOptions(ocean.InitializedOptions):
    """Options of `tabu`.

    A read ends after its restarts, not after a time as in the default of the sampler, so that a seed gives the same
    answer on any machine; a time limit shortens the last read, and `timeout` every read.

    Example:
        >>> TabuOptions(num_restarts=2, tenure=5).num_restarts
        2
    """

    num_restarts: int | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        examples=[0],
        description="number of restarts per read (default: 10, with timeout 1000000)",
    )
    timeout: int | None = Field(
        default=None, ge=0, le=2**31 - 1, description="longest time of a read in milliseconds (default: no limit)"
    )
    tenure: int | None = Field(
        default=None, ge=0, description="number of flips for which a variable stays tabu (default: up to 20)"
    )
    energy_threshold: float | None = Field(
        default=None, description="energy at which a read may end early, in the unit of the model"
    )
    coefficient_z_first: int | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        description="number of updates per variable of the first search (default: 10000, above 500 variables 25000, "
        "below 10 variables 16 per state)",
    )
    coefficient_z_restart: int | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        description="number of updates per variable of a restart (default: a quarter of that of the first search)",
        json_schema_extra={UNSEEN: "for small models `lower_bound_z` is more"},
    )
    lower_bound_z: int | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        description="least number of updates of any search (default: 50 times the squared number of variables, up to "
        "500000)",
    )


class TabuBackend(ocean.OceanBackend[TabuOptions]):
    """Tabu search on this machine.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> best = TabuBackend().sample(bqm, TabuOptions(num_restarts=0, seed=1)).first
        >>> int(best.sample["a"]), int(best.sample["b"]), float(best.energy)
        (1, 0, -1.0)
    """

    name: ClassVar[str] = "tabu"
    summary: ClassVar[str] = "multistart tabu search on this machine (D-Wave's tabu sampler)"
    options_type: ClassVar[type[SolveOptions]] = TabuOptions
    vartype = dimod.BINARY

    def draw(self, job: ocean.SamplerJob, options: TabuOptions) -> ocean.Drawn:
        """See `OceanBackend.draw`."""
        if options.tenure is not None and options.tenure >= job.bqm.num_variables:
            raise OptionError(f"tenure {options.tenure} must be less than the {job.bqm.num_variables} variables")
        # The sampler compares the threshold with energies without the offset.
        threshold = None if options.energy_threshold is None else options.energy_threshold - float(job.bqm.offset)
        # The sampler's clock starts after its own matrix is built, which takes about as long as this copy took.
        preparation = job.watch.seconds
        settings = _effort(job.bqm.num_variables) | options.model_dump(include=_PASSED_ON, exclude_none=True)
        usual = _RESTARTS if options.timeout is None else _RESTARTS_WITH_TIMEOUT
        per_read = math.inf if options.timeout is None else options.timeout
        rows: list[NDArray[np.int8]] = []
        restarts: list[int] = []
        for number, seed in enumerate(np.random.SeedSequence(job.seed).generate_state(job.reads)):
            if rows and job.watch.over:
                break
            milliseconds = min(per_read, max(1, 1000 * (job.watch.seconds_left - preparation)))
            found = job.sample(
                TabuSampler(),
                job.starts_of(slice(number, number + 1)),
                seed=int(seed),
                timeout=None if math.isinf(milliseconds) else int(milliseconds),
                energy_threshold=threshold,
                num_restarts=usual if options.num_restarts is None else options.num_restarts,
                **settings,
            )
            rows.append(ocean.columns(found)[0])
            restarts.append(int(found.record.num_restarts[0]))
        return ocean.Drawn(np.array(rows), {"restarts": restarts}, {"num_restarts": restarts})


def _effort(variables: int) -> dict[str, int]:
    """Return the default lengths of the searches for a model of this size."""
    settings = {"lower_bound_z": min(_LEAST_UPDATES, _LEAST_PER_SQUARE * variables**2)}
    if (flips := _FLIPS_PER_STATE << variables) < _FLIPS:
        settings |= {"coefficient_z_first": flips, "coefficient_z_restart": flips // 4}
    return settings

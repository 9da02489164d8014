"""Steepest descent from random states (dwave-samplers): the least that any other sampler should beat."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from dwave.samplers import SteepestDescentSampler
from numpy.typing import NDArray
from pydantic import Field

from qubo_backends._shared import ocean
from qubo_dnn.backend import UNSEEN, SolveOptions


class SteepestDescentOptions(ocean.InitializedOptions):
    """Options of `steepest-descent`.

    Example:
        >>> SteepestDescentOptions(num_reads=5).large_sparse_opt
        False
    """

    large_sparse_opt: bool = Field(
        default=False,
        description="use a search tree to find the next flip; faster on large sparse models",
        json_schema_extra={UNSEEN: "it finds the same flips, sooner on large models"},
    )


class SteepestDescentBackend(ocean.OceanBackend[SteepestDescentOptions]):
    """Steepest descent on this machine.

    Example:
        >>> import dimod
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> best = SteepestDescentBackend().sample(bqm, SteepestDescentOptions(num_reads=5, seed=1)).first
        >>> int(best.sample["a"]), int(best.sample["b"]), float(best.energy)
        (1, 0, -1.0)
    """

    name: ClassVar[str] = "steepest-descent"
    summary: ClassVar[str] = "steepest descent from random states on this machine (D-Wave's greedy sampler)"
    options_type: ClassVar[type[SolveOptions]] = SteepestDescentOptions

    def draw(self, job: ocean.SamplerJob, options: SteepestDescentOptions) -> ocean.Drawn:
        """Descend in batches of doubling size; each must end well before the time limit."""
        random = np.random.default_rng(job.seed)
        batches: list[NDArray[np.int8]] = []
        steps: list[NDArray[np.int64]] = []
        given, drawn, size, seconds = job.starts, 0, 1, 0.0
        while drawn < job.reads and not (batches and (job.watch.over or 2 * seconds > job.watch.seconds_left)):
            size = min(size, job.reads - drawn)
            before = job.watch.seconds
            # One draw per batch, not one for all reads, which a time limit alone makes many.
            if given is None:
                states = 2 * random.integers(0, 2, size=(size, job.bqm.num_variables), dtype=np.int8) - 1
            else:
                states = given[drawn : drawn + size]
            found = job.sample(SteepestDescentSampler(), states, large_sparse_opt=options.large_sparse_opt)
            batches.append(ocean.columns(found))
            steps.append(found.record.num_steps)
            drawn, seconds, size = drawn + size, job.watch.seconds - before, 2 * size
        return ocean.Drawn(np.concatenate(batches), vectors={"num_steps": np.concatenate(steps)})

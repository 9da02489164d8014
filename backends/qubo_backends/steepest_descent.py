"""Steepest descent from random states (dwave-samplers): the floor every other sampler should beat."""

from __future__ import annotations

from typing import Any, ClassVar

import dimod
import numpy as np
from dwave.samplers import SteepestDescentSampler
from numpy.typing import NDArray
from pydantic import Field

from qubo_backends import _ocean, _sampling
from qubo_dnn.backend import UNSEEN, Capabilities, SolveOptions


class SteepestDescentOptions(SolveOptions):
    """Options of `steepest-descent`."""

    large_sparse_opt: bool = Field(
        default=False,
        description="search tree for the next flip: large sparse models",
        json_schema_extra={UNSEEN: "it finds the same flips, sooner on large models"},
    )


class SteepestDescentBackend:
    """Steepest descent."""

    name: ClassVar[str] = "steepest-descent"
    summary: ClassVar[str] = "steepest descent from random states on this machine (D-Wave's greedy sampler)"
    options_type: ClassVar[type[SolveOptions]] = SteepestDescentOptions

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities()

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`."""
        options = _sampling.typed_options(self, options, SteepestDescentOptions)
        return _ocean.run(self, bqm, options, dimod.SPIN, lambda job: _draw(job, options))


def _draw(job: _ocean.SamplerJob, options: SteepestDescentOptions) -> tuple[NDArray[np.int8], dict[str, Any]]:
    """Descend in batches that double, each of which has to end well before the time limit."""
    starts = np.random.default_rng(job.seed)
    batches: list[NDArray[np.int8]] = []
    drawn, size, seconds = 0, 1, 0.0
    while drawn < job.reads and not (batches and (job.watch.over or 2 * seconds > job.watch.seconds_left)):
        size = min(size, job.reads - drawn)
        before = job.watch.seconds
        states = 2 * starts.integers(0, 2, size=(size, job.bqm.num_variables), dtype=np.int8) - 1
        found = SteepestDescentSampler().sample(
            job.bqm, initial_states=states, large_sparse_opt=options.large_sparse_opt
        )
        batches.append(_ocean.columns(found))
        drawn, seconds, size = drawn + size, job.watch.seconds - before, 2 * size
    return np.concatenate(batches), {}

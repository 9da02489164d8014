"""Common parts of the wrappers of Ocean's samplers: the model and the number of reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_backends import _sampling
from qubo_dnn.backend import Backend, Capabilities, SolveOptions, check_model

OptionsT = TypeVar("OptionsT", bound=SolveOptions)

# Reads drawn at most when only a time limit is given.
MAX_READS = 10_000


@dataclass(frozen=True)
class SamplerJob:
    """One call of `sample`, as a sampler sees it.

    Attributes:
        bqm: a copy of the caller's model over 0, ..., n - 1 in natural order, in the vartype asked for.
        seed: of every random choice.
        watch: when to stop.
        reads: rows wanted at most.
    """

    bqm: dimod.BinaryQuadraticModel
    seed: int
    watch: _sampling.InterruptGuard
    reads: int


def run(
    backend: Backend,
    bqm: dimod.BinaryQuadraticModel,
    options: SolveOptions,
    vartype: dimod.Vartype,
    draw: Callable[[SamplerJob], tuple[NDArray[np.int8], dict[str, Any]]],
    check: Callable[[Backend, dimod.BinaryQuadraticModel], None] = check_model,
) -> dimod.SampleSet:
    """Check the model, let `draw` sample it, and answer in the caller's terms.

    Args:
        backend: for whom.
        bqm: the caller's model, not changed.
        options: already of the backend's type.
        vartype: what the sampler works on.
        draw: returns rows over the columns of `SamplerJob.bqm` and what it wants to report in `info`.
        check: refuses what the backend cannot take.
    """
    check(backend, bqm)
    seed = _sampling.drawn_seed(options)
    timed_alone = options.num_reads is None and options.time_limit is not None
    reads = MAX_READS if timed_alone else options.num_reads or 1
    order = _sampling.natural_order(bqm)
    with _sampling.InterruptGuard(options.time_limit) as watch:
        if order:
            rows, info = draw(SamplerJob(_sampling.indexed(bqm, vartype), seed, watch, reads))
        else:
            rows, info = np.empty((options.num_reads or 1, 0), np.int8), {}
    return _sampling.answer(bqm, order, rows > 0, {"seed": seed} | watch.told() | info)


class OceanBackend(ABC, Generic[OptionsT]):
    """A backend that wraps one of Ocean's samplers on this machine.

    Attributes:
        vartype: what the sampler works on.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    options_type: ClassVar[type[SolveOptions]]
    vartype: ClassVar[dimod.Vartype] = dimod.SPIN

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities()

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`."""
        typed = cast(OptionsT, _sampling.typed_options(self, options, self.options_type))
        return run(self, bqm, options, self.vartype, lambda job: self.draw(job, typed))

    @abstractmethod
    def draw(self, job: SamplerJob, options: OptionsT) -> tuple[NDArray[np.int8], dict[str, Any]]:
        """Return rows over the columns of `job.bqm`, and what to report in `info`."""


def columns(sampleset: dimod.SampleSet) -> NDArray[np.int8]:
    """Rows of a sample set over 0, ..., n - 1, column i being variable i."""
    places = [sampleset.variables.index(v) for v in range(len(sampleset.variables))]
    return np.asarray(sampleset.record.sample[:, places], np.int8)

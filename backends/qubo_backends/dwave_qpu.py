"""D-Wave's quantum annealers, through dwave-system and the cloud client."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, ClassVar

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from qubo_backends._shared import embedded, leap, sampling
from qubo_dnn.backend import Capabilities, SolveOptions
from qubo_dnn.embedding.emulation import shares
from qubo_dnn.embedding.program import AnnealingProgram
from qubo_dnn.embedding.target import from_properties
from qubo_dnn.errors import OptionError, TimeLimitError


def _split_schedule(value: object) -> object:
    return [point.split(",") for point in value.split(";")] if isinstance(value, str) else value


Schedule = Annotated[list[tuple[float, float]], BeforeValidator(_split_schedule), Field(min_length=2)]
_PASSED_ON = {
    *("annealing_time", "anneal_schedule", "programming_thermalization", "readout_thermalization"),
    *("reduce_intersample_correlation", "fast_anneal", "auto_scale"),
}


class QpuOptions(leap.ServiceOptions, embedded.EmbeddedOptions):
    """Options of `dwave-qpu`; 100 reads by default.

    Example:
        >>> QpuOptions(anneal_schedule="0,0;10,0.4;60,0.4;80,1").anneal_schedule
        [(0.0, 0.0), (10.0, 0.4), (60.0, 0.4), (80.0, 1.0)]
    """

    embedding_seed: int = Field(default=0, ge=0, le=2**31 - 1, description="random seed of minorminer, gauges and ties")
    annealing_time: float | None = Field(
        default=None, gt=0, description="duration of an anneal in microseconds (default: the solver's)"
    )
    anneal_schedule: Schedule | None = Field(
        default=None,
        description="points microseconds,s of the schedule, as in 0,0;10,0.4;60,0.4;80,1 (default: the solver's)",
    )
    programming_thermalization: float | None = Field(
        default=None, ge=0, description="pause after programming in microseconds"
    )
    readout_thermalization: float | None = Field(
        default=None, ge=0, description="pause after every read in microseconds"
    )
    reduce_intersample_correlation: bool | None = Field(
        default=None, description="pause between reads to reduce their correlation"
    )
    fast_anneal: bool | None = Field(default=None, description="use the solver's fast-anneal protocol")
    auto_scale: bool | None = Field(
        default=None, description="scale the biases to the chip's ranges (default: the solver's, which scales)"
    )


class DwaveQpuBackend(leap.LeapBackend):
    """A QPU, with minor embedding; `dwave-qpu:NAME` selects one by name.

    Example:
        >>> backend = DwaveQpuBackend()
        >>> backend.name, backend.capabilities.remote
        ('dwave-qpu', True)
    """

    name: ClassVar[str] = "dwave-qpu"
    summary: ClassVar[str] = "D-Wave's quantum annealers, with minor embedding (needs an API token)"
    options_type: ClassVar[type[SolveOptions]] = QpuOptions
    kind = "DWaveSampler"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(seeded=False, fills_time=False, remote=True, structured=True)

    def block_size(self, options: SolveOptions) -> int:
        """See `qubo_dnn.backend.BlockSolver`: the largest complete graph that the chip embeds; asks the service."""
        assert isinstance(options, QpuOptions)
        with leap.connected(self.kind, self.variant, options) as sampler:
            return from_properties(sampler.solver.name, sampler.properties).largest_clique

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`.

        The time limit covers everything from connecting to the answer; an unanswered problem is then cancelled, for
        which a service that is slow to confirm it is given a few seconds more.
        """
        options = sampling.typed_options(self, options, QpuOptions)
        with (
            sampling.InterruptGuard(options.time_limit) as watch,
            leap.connected(self.kind, self.variant, options) as sampler,
        ):
            parameters = _parameters(sampler, options)
            limit = options.queue_limit if options.time_limit is None else options.time_limit

            def read(program: AnnealingProgram, reads: int) -> tuple[NDArray[np.int8], dict[str, Any]]:
                return _read(sampler, program, reads, parameters, options, watch, limit)

            target = from_properties(sampler.solver.name, sampler.properties)
            found = embedded.sample(self, bqm, options, lambda: target, options.embedding_seed, watch, read)
        found.info.update(watch.told())
        return found


def _parameters(sampler: Any, options: QpuOptions) -> dict[str, Any]:
    """Return the parameters to pass to the solver; a parameter that it does not have is refused."""
    given = {name: value for name, value in options.model_dump(include=_PASSED_ON).items() if value is not None}
    if options.label is not None:
        given["label"] = options.label
    for name in given:
        if name not in sampler.parameters and name != "label":
            raise OptionError(f"the solver {sampler.solver.name} has no parameter {name!r}")
    low, high = sampler.properties.get("num_reads_range", (1, np.inf))
    if options.num_reads is not None and not low <= options.num_reads <= high:
        raise OptionError(f"the solver {sampler.solver.name} draws {low} to {high} reads, not {options.num_reads}")
    return given


def _read(
    sampler: Any,
    program: AnnealingProgram,
    reads: int,
    parameters: dict[str, Any],
    options: QpuOptions,
    watch: sampling.InterruptGuard,
    limit: float,
) -> tuple[NDArray[np.int8], dict[str, Any]]:
    """Submit all programmings at once and read them together."""
    if watch.over:
        raise TimeLimitError(f"the time limit of {limit:g} s ended before the problem could be submitted")
    rng, size = np.random.default_rng(options.embedding_seed), len(program.qubits)
    count = options.num_spin_reversal_transforms
    gauges = rng.choice([-1, 1], (count, size)) if count > 1 else np.ones((1, size), np.int64)
    rows, columns, biases = program.couplings
    futures = []
    for gauge, share in zip(gauges, shares(reads, count), strict=False):
        model = dimod.BinaryQuadraticModel(
            dict(zip(program.qubits, program.fields * gauge, strict=True)),
            {
                (program.qubits[u], program.qubits[v]): bias
                for u, v, bias in zip(rows, columns, biases * gauge[rows] * gauge[columns], strict=True)
            },
            0.0,
            dimod.SPIN,
        )
        futures.append(sampler.solver.sample_bqm(model, num_reads=share, **parameters))
    states, timing = [], Counter[str]()
    for gauge, found in zip(gauges, leap.answered(sampler, futures, watch, limit), strict=False):
        places = [found.variables.index(qubit) for qubit in program.qubits]
        rows_read = np.asarray(found.record.sample[:, places] * gauge, np.int8)
        states.append(np.repeat(rows_read, found.record.num_occurrences, axis=0))
        timing.update(found.info.get("timing", {}))
    info = {"solver": sampler.solver.name, "problem_ids": [future.id for future in futures], "timing": dict(timing)}
    return np.concatenate(states), info

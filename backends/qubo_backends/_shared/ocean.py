"""Common parts of the wrappers of Ocean's samplers: model, number of reads, initial states, interrupts and timing."""

from __future__ import annotations

import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar, cast

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qubo_backends._shared import sampling
from qubo_dnn.backend import UNSEEN, Backend, Capabilities, SolveOptions, check_model
from qubo_dnn.errors import OptionError
from qubo_dnn.problem import Sample

OptionsT = TypeVar("OptionsT", bound=SolveOptions)

# Reads drawn at most when only a time limit is given.
MAX_READS = 10_000


class InitializedOptions(SolveOptions):
    """Options of samplers that start from given states; without `num_reads`, there is one read per given state."""

    initial_states: Any = Field(
        default=None, description="start of every read, in a form that dimod.as_samples accepts; from Python only"
    )
    initial_states_generator: Literal["none", "tile", "random"] = Field(
        default="random",
        description="origin of the starts beyond `initial_states`: an error, the given ones again, or random ones",
        json_schema_extra={UNSEEN: "it takes effect with `initial_states` only"},
    )


class Drawn(NamedTuple):
    """Answer of a sampler.

    Attributes:
        rows: `[reads, n]`, positive for 1; column i is variable i of the job.
        info: entries for the report.
        vectors: name -> `[reads]` data, one entry per row.
    """

    rows: NDArray[np.int8]
    info: Mapping[str, Any] = MappingProxyType({})
    vectors: Mapping[str, Any] = MappingProxyType({})


@dataclass
class SamplerJob:
    """One call of `sample`, as a sampler sees it.

    Attributes:
        bqm: a copy of the caller's model over 0, ..., n - 1 in natural order, in the vartype asked for.
        seed: of every random choice.
        watch: when to stop.
        reads: rows wanted at most.
        starts: `[reads, n]` initial states in the vartype of `bqm`; None if the sampler draws them.
        interrupt: the caller's function that ends the run by returning True.
        sampling_ns: nanoseconds that the sampler has spent so far.
    """

    bqm: dimod.BinaryQuadraticModel
    seed: int
    watch: sampling.InterruptGuard
    reads: int
    starts: NDArray[np.int8] | None = None
    interrupt: Callable[[], Any] | None = None
    sampling_ns: int = field(default=0, init=False)

    def stopped(self) -> bool:
        """Return whether the run ends after this row: Ctrl-C was pressed, or the caller's function says so.

        As in Ocean, a function that raises an exception ends the run too.
        """
        if self.interrupt is not None and not self.watch.interrupted:
            try:
                self.watch.interrupted = bool(self.interrupt())
            except Exception as error:
                warnings.warn(f"interrupt_function failed, which ended the run: {error!r}", stacklevel=2)
                self.watch.interrupted = True
        return self.watch.interrupted

    def over(self) -> bool:
        """Return whether the run ends after this row, also because of its time limit."""
        return self.stopped() or self.watch.over

    def starts_of(self, reads: slice) -> NDArray[np.int8] | int:
        """Return what `sample` takes: the initial states of some reads, or their number if the sampler draws them."""
        return reads.stop - reads.start if self.starts is None else self.starts[reads]

    def sample(self, sampler: dimod.Sampler, reads: NDArray[np.int8] | int, **arguments: Any) -> dimod.SampleSet:
        """Call the sampler, and add up its time.

        Args:
            sampler: of Ocean.
            reads: `[reads, n]` initial states, or a number of reads.
            **arguments: others of the sampler.
        """
        if isinstance(reads, int):
            arguments["num_reads"] = reads
        else:
            # A copy, because samplers may change the states in place.
            arguments["initial_states"] = (reads.copy(), range(self.bqm.num_variables))
        began = time.perf_counter_ns()
        found = sampler.sample(self.bqm, **arguments)
        passed = time.perf_counter_ns() - began
        self.sampling_ns += found.info.get("timing", {}).get("sampling_ns", passed)
        return found


def run(
    backend: Backend,
    bqm: dimod.BinaryQuadraticModel,
    options: SolveOptions,
    vartype: dimod.Vartype,
    draw: Callable[[SamplerJob], tuple[Any, ...]],
    check: Callable[[Backend, dimod.BinaryQuadraticModel], None] = check_model,
) -> dimod.SampleSet:
    """Check the model, let `draw` sample it, and answer in the caller's terms.

    Args:
        backend: for whom.
        bqm: the caller's model, not changed.
        options: already of the backend's type.
        vartype: what the sampler works on.
        draw: samples a job; returns the entries of a `Drawn`.
        check: refuses what the backend cannot take.

    Returns:
        Samples whose `info["timing"]` has the nanoseconds before, in and after the sampler, as those of dwave-samplers.
    """
    began = time.perf_counter_ns()
    check(backend, bqm)
    seed, order = sampling.drawn_seed(options), sampling.natural_order(bqm)
    starts = None
    if isinstance(options, InitializedOptions):
        starts = _initial_states(backend, options, order, vartype, seed)
    timed_alone = options.num_reads is None and options.time_limit is not None and starts is None
    reads = options.num_reads or (1 if starts is None else len(starts))
    interrupt = getattr(options, "interrupt_function", None)
    with sampling.InterruptGuard(options.time_limit) as watch:
        model = sampling.indexed(bqm, vartype)
        job = SamplerJob(model, seed, watch, MAX_READS if timed_alone else reads, starts, interrupt)
        prepared = time.perf_counter_ns()
        drawn = Drawn(*draw(job)) if order else Drawn(np.empty((reads, 0), np.int8))
    sampled = time.perf_counter_ns()
    info = {"seed": seed, **watch.told(), **drawn.info}
    answer = sampling.answer(bqm, order, drawn.rows > 0, info, **drawn.vectors)
    sampling_ns = job.sampling_ns or sampled - prepared
    answer.info["timing"] = {
        "preprocessing_ns": prepared - began,
        "sampling_ns": sampling_ns,
        "postprocessing_ns": time.perf_counter_ns() - prepared - sampling_ns,
    }
    return answer


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
        typed = cast(OptionsT, sampling.typed_options(self, options, self.options_type))
        return run(self, bqm, options, self.vartype, lambda job: self.draw(job, typed))

    @abstractmethod
    def draw(self, job: SamplerJob, options: OptionsT) -> Drawn:
        """Sample a job."""

    def begun_at(self, options: SolveOptions, state: Sample) -> SolveOptions:
        """Let the first of several reads begin at a state; see `qubo_dnn.backend.Startable.begun_at`."""
        if isinstance(options, InitializedOptions) and (options.num_reads or 1) > 1:
            return sampling.begun_at(options, state)
        return options


def columns(sampleset: dimod.SampleSet) -> NDArray[np.int8]:
    """Rows of a sample set over 0, ..., n - 1, column i being variable i."""
    places = [sampleset.variables.index(v) for v in range(len(sampleset.variables))]
    return np.asarray(sampleset.record.sample[:, places], np.int8)


def _initial_states(
    backend: Backend, options: InitializedOptions, order: Sequence[Hashable], vartype: dimod.Vartype, seed: int
) -> NDArray[np.int8] | None:
    """Return the start of every read, with columns in `order`; None if the sampler draws all of them.

    Raises:
        OptionError: the states are not samples of these variables, or too few for the generator.
    """
    if options.initial_states is None and options.initial_states_generator == "random":
        return None
    # The energies of the states are not needed, so a model without biases stands for the caller's.
    model = dimod.BinaryQuadraticModel(dict.fromkeys(order, 0.0), {}, 0.0, vartype)
    try:
        found = dimod.core.initialized.Initialized().parse_initial_states(
            model, options.initial_states, options.initial_states_generator, options.num_reads, seed
        )
    except (TypeError, ValueError) as cause:
        raise OptionError(f"backend {backend.name!r}, option initial_states: {cause}") from cause
    states = found.initial_states
    place = {label: index for index, label in enumerate(states.variables)}
    return np.asarray(states.record.sample[:, [place[label] for label in order]], np.int8)

"""Parallel tempering, also known as replica exchange Monte Carlo (Hukushima and Nemoto 1996).

Replicas of the model are sampled at a ladder of temperatures; neighbours exchange temperatures, so that hot replicas
bring new basins to cold ones. The kernels are in `qubo_backends._pt`: one for sparse models, with cluster moves where
the graph is of low dimension, one for dense models, both with tabu searches beside the sweeps, and one for problems
with constraints, which it keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from qubo_backends import _sampling
from qubo_backends._pt.choices.defaults import (
    KINDS,
    check_kinds,
    compile_choice_kernels,
    default_choice_replicas,
    default_choice_sweeps,
)
from qubo_backends._pt.choices.engine import ChoiceEngine
from qubo_backends._pt.choices.model import choice_problem
from qubo_backends._pt.drive import Progress, drive, report
from qubo_backends._pt.elite import Elite
from qubo_backends._pt.spins.engine import SpinEngine
from qubo_backends._pt.spins.engine_choice import choose_engine, compile_model_reading, default_spin_sweeps
from qubo_backends._pt.spins.model import spin_model
from qubo_backends._pt.spins.simd import LANES
from qubo_dnn.arguments import checked
from qubo_dnn.backend import UNSEEN, Capabilities, SolveOptions, check_model
from qubo_dnn.errors import OptionError
from qubo_dnn.models.ocean_sampler import BackendSampler
from qubo_dnn.problem import Problem


class ParallelTemperingOptions(SolveOptions):
    """Options of `pt`; the `num_reads` best different states are returned (default 1), the best again if there are
    fewer.
    """

    num_replicas: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="temperatures, one replica at each; on sparse models the next multiple of 32 (default: 32; with "
        "constraints 16, or 8 on large problems)",
    )
    num_sweeps: int | None = Field(
        default=None,
        ge=1,
        description="sweeps per replica (default: up to 1000, fewer on large models; with time_limit: until it ends)",
    )
    temperature_range: _sampling.FloatPair | None = Field(
        default=None, description="coldest,hottest in the unit of the model (default: measured on the model)"
    )
    target_energy: float | None = Field(default=None, description="stop as soon as a state of this energy is found")
    threads: int = Field(
        default=1,
        ge=1,
        le=256,
        description="independent ladders, each in a thread of its own",
        json_schema_extra={UNSEEN: "one ladder finds the best states of small models"},
    )
    initial_states: Any = Field(
        default=None,
        description="samples that replicas start from, as dimod.as_samples takes them; from Python only",
    )

    @model_validator(mode="after")
    def _sensible(self) -> ParallelTemperingOptions:
        if self.temperature_range is not None and not 0 < self.temperature_range[0] <= self.temperature_range[1]:
            raise ValueError("temperature_range must be coldest,hottest with 0 < coldest <= hottest")
        if isinstance(self.initial_states, str):
            raise ValueError("initial_states must be samples, not a text")
        return self


class ParallelTemperingBackend:
    """Parallel tempering on this machine.

    Args:
        progress: called some twenty times a second while sampling, with a `Progress`; StopIteration raised in it ends
            the run, and the best states so far are returned.
    """

    name: ClassVar[str] = "pt"
    summary: ClassVar[str] = "parallel tempering on this machine, with native linear constraints"
    options_type: ClassVar[type[SolveOptions]] = ParallelTemperingOptions

    def __init__(self, progress: Callable[[Progress], object] | None = None) -> None:
        self._progress = progress

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(native_constraints=KINDS, low_rank=True)

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`."""
        options = _sampling.typed_options(self, options, ParallelTemperingOptions)
        check_model(self, bqm)
        compile_model_reading()
        seed = _sampling.drawn_seed(options)
        with _sampling.InterruptGuard(options.time_limit) as watch:
            order = _sampling.natural_order(bqm)
            spins = _sampling.indexed(bqm, dimod.SPIN, copy=False)
            model, offset = spin_model(spins), float(spins.offset)
            # Where it is a copy, it may be the largest thing in memory.
            del spins
            replicas = options.num_replicas or LANES
            settings: dict[str, Any] = {
                "replicas": replicas,
                "temperatures": options.temperature_range,
                "keep": options.num_reads or 1,
                "states": given_states(options, order),
                "target": -np.inf if options.target_energy is None else options.target_energy - offset,
            }
            engines = [
                choose_engine(model, np.random.default_rng(sequence), watch, **settings)
                for sequence in np.random.SeedSequence(seed).spawn(options.threads)
            ]
            sweeps = options.num_sweeps
            if not model.largest_field:
                sweeps = 1
            elif sweeps is None and options.time_limit is None:
                sweeps = default_spin_sweeps(model, replicas)
            drive(engines, sweeps, watch, lambda energy: energy * model.unit + offset, self._progress)
        return _answer(bqm, order, engines, options, {"seed": seed, **report(engines, watch)})

    @checked
    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        """Draw samples that keep all constraints; see `qubo_dnn.backend.ConstrainedBackend`.

        Where no state within the constraints was found, the row breaks them as little as was possible.

        Raises:
            UnsupportedProblemError: `problem` has constraints of another kind than `capabilities.native_constraints`.
        """
        options = _sampling.typed_options(self, options, ParallelTemperingOptions)
        check_model(self, problem.objective)
        check_kinds(self, problem)
        seed = _sampling.drawn_seed(options)
        with _sampling.InterruptGuard(options.time_limit) as watch:
            choices, offset = choice_problem(problem), float(problem.objective.offset)
            with watch.stopped():
                compile_choice_kernels(choices.model.values.dtype.char, problem.low_rank is not None)
            replicas = options.num_replicas or default_choice_replicas(choices.model)
            engines = [
                ChoiceEngine(
                    choices,
                    num_replicas=replicas,
                    seed=sequence,
                    keep=options.num_reads or 1,
                    temperatures=options.temperature_range,
                    initial_states=given_states(options, list(problem.variables)),
                    target=-np.inf if options.target_energy is None else options.target_energy - offset,
                )
                for sequence in np.random.SeedSequence(seed).spawn(options.threads)
            ]
            sweeps = options.num_sweeps
            if sweeps is None and options.time_limit is None:
                sweeps = default_choice_sweeps(choices.model, replicas)
            drive(engines, sweeps, watch, lambda energy: energy + offset, self._progress)
        info = {"seed": seed, **report(engines, watch)}
        return _sampling.with_low_rank(
            problem, _answer(problem.objective, list(problem.variables), engines, options, info)
        )


class ParallelTemperingSampler(BackendSampler):
    """The same as a `dimod.Sampler`: `ParallelTemperingSampler().sample(bqm, time_limit=5, target_energy=-12.0,
    seed=1)`.
    """

    def __init__(self) -> None:
        super().__init__(ParallelTemperingBackend())

    def sample(
        self,
        bqm: dimod.BinaryQuadraticModel,
        *,
        progress: Callable[[Progress], object] | None = None,
        **options: Any,
    ) -> dimod.SampleSet:
        """Draw samples.

        Args:
            bqm: of either vartype; not changed.
            progress: see `ParallelTemperingBackend`.
            **options: see `ParallelTemperingOptions`.

        Raises:
            OptionError: an option is unknown or out of range.
            FormulationError: a bias of `bqm` is not finite.
        """
        return BackendSampler(ParallelTemperingBackend(progress)).sample(bqm, **options)


def given_states(options: ParallelTemperingOptions, order: list[Any]) -> NDArray[np.int8] | None:
    """[k, n] of 0 and 1: the initial states, columns in `order`.

    Raises:
        OptionError: they are no samples of these variables, or have other values than 0 and 1, or -1 and 1.
    """
    if options.initial_states is None:
        return None
    try:
        samples, labels = dimod.as_samples(options.initial_states)
    except (TypeError, ValueError) as cause:
        raise OptionError(f"initial_states are no samples: {cause}") from cause
    place = {label: index for index, label in enumerate(labels)}
    if not len(samples) or place.keys() != set(order):
        raise OptionError(f"initial_states must be samples of exactly the {len(order)} variables of the model")
    if not np.isin(samples, (-1, 0, 1)).all() or (np.any(samples == 0) and np.any(samples == -1)):
        raise OptionError("initial_states must have the values 0 and 1, or -1 and 1")
    return (np.asarray(samples)[:, [place[label] for label in order]] > 0).astype(np.int8)


def _answer(
    bqm: dimod.BinaryQuadraticModel,
    order: list[Any],
    engines: Sequence[SpinEngine] | Sequence[ChoiceEngine],
    options: ParallelTemperingOptions,
    info: dict[str, Any],
) -> dimod.SampleSet:
    """The best different states of all engines, from the best again where there are fewer than were asked for."""
    elite, count = Elite(options.num_reads or 1), options.num_reads or 1
    for engine in engines:
        elite.merge(engine.elite)
    states = elite.states or [engine.least_violated for engine in engines if isinstance(engine, ChoiceEngine)][:1]
    rows = np.array(states, np.int8).reshape(len(states), len(order))[np.arange(count) % len(states)]
    return _sampling.answer(bqm, order, rows, info)

"""Parallel tempering, also known as replica exchange Monte Carlo (Hukushima and Nemoto 1996).

Replicas of the model are sampled at a ladder of temperatures; neighbours exchange temperatures, so that hot replicas
bring new basins to cold ones. The kernels are in `qubo_backends._pt`: one for sparse models, with cluster moves on
graphs of low dimension; one for dense models; both also run tabu searches. Sparse models with many auxiliary variables,
as products and clauses have them, are also searched by flips of the others alone, with those minimised out, see
`qubo_backends._pt.spins.auxiliaries`. Models of conflicts, such as independent sets, covers, cliques and packings, are
searched among the sets without conflicts, see `qubo_backends._pt.spins.conflicts`. A third kernel is for problems with
constraints, which it keeps; assignments are also searched by exchanges (tabu), tours by reversals, and subsets of a
given size by members that leave and others that enter (tabu).

Without `num_sweeps` and `time_limit` a run takes up to about a second, on large models longer. It then doubles, up to
some four to ten seconds, while its best state was found after a quarter of its sweeps or while most of its restarts
ended above that state. Sweeps are counted, not timed: see `qubo_backends._pt.sweep_limit`.

`info["portfolio"]` says for the sweeps and for every kind of search how many `calls` it had (sweeps, or searches), how
many `moves` it tried and which `share` that is of all, how often it found a better state than any before (`gains`), and
by how much energy (`gained`, without the first state of all); "start" stands for given and constructed states, "sweeps"
includes cluster moves and descents. `info["found_by"]` names what found the best state first. `info["trace"]` has the
`seconds`, the `sweeps` and the best `energy` so far at the times at which it improved.

Models without labels, of more than a million variables, are not tempered but annealed, one replica per thread, see
`qubo_backends._pt.spins.annealing_engine`.

Models of more than 32 variables and of low treewidth, such as chains and trees, are not sampled but solved: their
variables are eliminated, see `qubo_dnn.presolve.elimination` for the limits. `info["optimal"]` is then True. If one
read is wanted, components within the limits, variables of up to two neighbours, and those with a dominant coupling,
see `qubo_dnn.presolve.contraction`, also leave other models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Literal

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from qubo_backends._pt.choices.defaults import (
    KINDS,
    compile_choice_kernels,
    default_choice_limit,
    default_choice_replicas,
)
from qubo_backends._pt.choices.engine import ChoiceEngine
from qubo_backends._pt.choices.model import choice_problem
from qubo_backends._pt.drive import Progress, drive, report
from qubo_backends._pt.elite import Elite
from qubo_backends._pt.first_use import sample_compiled
from qubo_backends._pt.spins.elimination import eliminated
from qubo_backends._pt.spins.engine import SpinEngine
from qubo_backends._pt.spins.engine_choice import choose_engine, compile_model_reading, default_spin_limit
from qubo_backends._pt.spins.large_run import sample_large
from qubo_backends._pt.spins.model import spin_model
from qubo_backends._pt.spins.simd import LANES
from qubo_backends._pt.sweep_limit import SweepLimit
from qubo_backends._shared import sampling
from qubo_dnn.backend import UNSEEN, Capabilities, SolveOptions, check_kinds, check_model
from qubo_dnn.errors import OptionError
from qubo_dnn.models.ocean_sampler import BackendSampler
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.sparse_model import SparseModel, SparseSamples
from qubo_dnn.support.arguments import checked


class ParallelTemperingOptions(SolveOptions):
    """Options of `pt`; it returns the `num_reads` best different states (default 1), repeated from the best if there
    are fewer. If it eliminates all variables, these are the lowest of all states, and no option of sampling counts.

    Example:
        >>> ParallelTemperingOptions(num_replicas=64, temperature_range="0.1,10").temperature_range
        (0.1, 10.0)
    """

    num_replicas: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="number of temperatures, with one replica at each; on sparse models rounded up to a multiple of 32 "
        "(default: 32; with constraints 16, or 8 on large problems)",
    )
    num_sweeps: int | None = Field(
        default=None,
        ge=1,
        description="number of sweeps per replica (default: 1000, more on small and fewer on large models, and more "
        "while they still pay; with time_limit: no limit)",
    )
    temperature_range: sampling.FloatPair | None = Field(
        default=None,
        description="coldest,hottest temperature, in the unit of the model (default: measured on the model)",
    )
    target_energy: float | None = Field(
        default=None, description="stop at the first state with this energy or less, in the unit of the model"
    )
    threads: int = Field(
        default=1,
        ge=1,
        le=256,
        description="number of independent ladders, each in its own thread",
        json_schema_extra={UNSEEN: "one ladder finds the best states of small models"},
    )
    initial_states: Any = Field(
        default=None,
        description="start samples of the replicas, in a form that dimod.as_samples accepts; from Python only",
    )
    initial_states_generator: Literal["tile", "random"] = Field(
        default="tile",
        description="origin of the starts beyond `initial_states`: the given ones again, for all replicas, or random "
        "ones, which the given ones join after the annealing",
        json_schema_extra={UNSEEN: "it takes effect with `initial_states` only"},
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
        progress: called about twenty times a second during sampling, with a `Progress`; if it raises StopIteration, the
            run ends and returns the best states so far.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> best = ParallelTemperingBackend().sample(bqm, ParallelTemperingOptions(seed=1)).first
        >>> int(best.sample["a"]), int(best.sample["b"]), float(best.energy)
        (1, 0, -1.0)
    """

    name: ClassVar[str] = "pt"
    summary: ClassVar[str] = "parallel tempering on this machine, with native constraints"
    options_type: ClassVar[type[SolveOptions]] = ParallelTemperingOptions

    def __init__(self, progress: Callable[[Progress], object] | None = None) -> None:
        self._progress = progress

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(native_constraints=KINDS, low_rank=True)

    def begun_at(self, options: SolveOptions, state: Sample) -> SolveOptions:
        """Let one replica begin at a state; see `qubo_dnn.backend.Startable.begun_at`."""
        return sampling.begun_at(options, state)

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`."""
        options = sampling.typed_options(self, options, ParallelTemperingOptions)
        check_model(self, bqm)
        order = sampling.natural_order(bqm)
        return sample_compiled(
            lambda: Problem(objective=sampling.indexed(bqm, dimod.BINARY), decoder=dict),
            bqm.num_interactions,
            options,
            partial(self._sample, bqm),
            partial(sampling.answer, bqm, order),
            self._progress,
        )

    def _sample(self, bqm: dimod.BinaryQuadraticModel, options: ParallelTemperingOptions) -> dimod.SampleSet:
        compile_model_reading()
        seed = sampling.drawn_seed(options)
        with sampling.InterruptGuard(options.time_limit) as watch:
            order = sampling.natural_order(bqm)
            spins = sampling.indexed(bqm, dimod.SPIN, copy=False)
            count, target = options.num_reads or 1, options.target_energy is not None
            elimination, spins = eliminated(spins, watch, count, target)
            states = elimination.restricted(_initial_states(options, order))
            if elimination.solved:
                info = {"seed": seed, **watch.told(), **elimination.report(), "sweeps": [], "threads": 0}
                found = sampling.answer(bqm, order, elimination.lowest(count), info)
                found.info["target_reached"] = target and found.record.energy.min() <= options.target_energy
                return found
            model, offset = spin_model(spins), float(spins.offset)
            # A copy of the model may be the largest object in memory.
            del spins
            replicas = options.num_replicas or LANES
            settings: dict[str, Any] = {
                "replicas": replicas,
                "temperatures": options.temperature_range,
                "keep": count,
                "states": states,
                "joining": options.initial_states_generator == "random",
                "target": -np.inf if options.target_energy is None else options.target_energy - offset,
            }
            engines = [
                choose_engine(model, np.random.default_rng(sequence), watch, **settings)
                for sequence in np.random.SeedSequence(seed).spawn(options.threads)
            ]
            if not model.largest_field:
                limit = SweepLimit.exactly(1)
            else:
                limit = _asked_limit(options) or default_spin_limit(model, replicas)
            course = drive(engines, limit, watch, lambda energy: energy * model.unit + offset, self._progress)
        rows = elimination.completed(_best_states(engines, options, model.n))
        info = {"seed": seed, **elimination.report(), **report(engines, watch, model.unit), "trace": course}
        return sampling.answer(bqm, order, rows, info)

    def sample_sparse(self, model: SparseModel, options: SolveOptions) -> SparseSamples:
        """Draw samples of a large model; see `qubo_dnn.backend.SparseBackend` and `qubo_backends._pt.spins.large_run`.

        Raises:
            OptionError: an option of a ladder is given, `num_replicas` or `initial_states`.
            UnsupportedProblemError: the run would need more memory than is available.
        """
        return sample_large(model, sampling.typed_options(self, options, ParallelTemperingOptions), self._progress)

    @checked
    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        """Draw samples that keep all constraints; see `qubo_dnn.backend.ConstrainedBackend`.

        If no feasible state was found, the row violates the constraints as little as possible.

        Raises:
            UnsupportedProblemError: `problem` has constraints of another kind than `capabilities.native_constraints`.
        """
        options = sampling.typed_options(self, options, ParallelTemperingOptions)
        check_model(self, problem.objective)
        check_kinds(self, problem)
        return sample_compiled(
            lambda: problem,
            problem.objective.num_interactions,
            options,
            partial(self._sample_constrained, problem),
            partial(sampling.problem_answer, problem),
            self._progress,
        )

    def _sample_constrained(self, problem: Problem[Any], options: ParallelTemperingOptions) -> dimod.SampleSet:
        seed = sampling.drawn_seed(options)
        with sampling.InterruptGuard(options.time_limit) as watch:
            choices, offset = choice_problem(problem), float(problem.objective.offset)
            with watch.stopped():
                compile_choice_kernels(choices)
            replicas = options.num_replicas or default_choice_replicas(choices.model)
            engines = [
                ChoiceEngine(
                    choices,
                    num_replicas=replicas,
                    seed=sequence,
                    keep=options.num_reads or 1,
                    temperatures=options.temperature_range,
                    initial_states=_initial_states(options, list(problem.variables)),
                    joining=options.initial_states_generator == "random",
                    target=-np.inf if options.target_energy is None else options.target_energy - offset,
                    over=lambda: watch.over,
                )
                for sequence in np.random.SeedSequence(seed).spawn(options.threads)
            ]
            limit = _asked_limit(options) or default_choice_limit(choices.model, replicas)
            course = drive(engines, limit, watch, lambda energy: energy + offset, self._progress)
        info = {"seed": seed, **report(engines, watch), "trace": course}
        return sampling.problem_answer(problem, _best_states(engines, options, len(problem.variables)), info)


class ParallelTemperingSampler(BackendSampler):
    """Parallel tempering as a `dimod.Sampler`: `ParallelTemperingSampler().sample(bqm, time_limit=5, seed=1)`.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> best = ParallelTemperingSampler().sample(bqm, seed=1).first
        >>> int(best.sample["a"]), int(best.sample["b"]), float(best.energy)
        (1, 0, -1.0)
    """

    def __init__(self, *, strict: bool = False) -> None:
        super().__init__(ParallelTemperingBackend(), strict=strict)

    def sample(
        self,
        bqm: dimod.BinaryQuadraticModel,
        *,
        progress: Callable[[Progress], object] | None = None,
        **kwargs: Any,
    ) -> dimod.SampleSet:
        """Draw samples.

        Args:
            bqm: model of either vartype; not changed.
            progress: see `ParallelTemperingBackend`.
            **kwargs: `label` and the options, see `ParallelTemperingOptions`.

        Raises:
            OptionError: an option is out of range, or unknown to a strict sampler.
            FormulationError: a bias of `bqm` is not finite.
        """
        return BackendSampler(ParallelTemperingBackend(progress), strict=self.strict).sample(bqm, **kwargs)


def _initial_states(options: ParallelTemperingOptions, order: list[Any]) -> NDArray[np.int8] | None:
    """Return [k, n] of 0 and 1: the initial states, with columns in `order`; None without initial states.

    Raises:
        OptionError: they are not samples of these variables, or have values other than 0 and 1, or -1 and 1.

    Example:
        >>> options = ParallelTemperingOptions(initial_states={"a": 1, "b": -1})
        >>> _initial_states(options, ["a", "b"]).tolist()
        [[1, 0]]
    """
    if options.initial_states is None:
        return None
    try:
        samples, labels = dimod.as_samples(options.initial_states)
    except (TypeError, ValueError) as cause:
        raise OptionError(f"initial_states are not samples: {cause}") from cause
    place = {label: index for index, label in enumerate(labels)}
    if not len(samples) or place.keys() != set(order):
        raise OptionError(f"initial_states must be samples of exactly the {len(order)} variables of the model")
    if not np.isin(samples, (-1, 0, 1)).all() or (np.any(samples == 0) and np.any(samples == -1)):
        raise OptionError("initial_states must have the values 0 and 1, or -1 and 1")
    return (np.asarray(samples)[:, [place[label] for label in order]] > 0).astype(np.int8)


def _asked_limit(options: ParallelTemperingOptions) -> SweepLimit | None:
    """Return the limit that the caller set, which is exact; None for the default one."""
    if options.num_sweeps is not None:
        return SweepLimit.exactly(options.num_sweeps)
    return None if options.time_limit is None else SweepLimit.exactly(np.inf)


def _best_states(
    engines: Sequence[SpinEngine] | Sequence[ChoiceEngine], options: ParallelTemperingOptions, variables: int
) -> NDArray[np.int8]:
    """Return [reads, n] the best different states of all engines, repeated from the best if there are too few."""
    count = options.num_reads or 1
    elite = Elite(count)
    for engine in engines:
        elite.merge(engine.elite)
    states = elite.states or [engine.least_violated for engine in engines if isinstance(engine, ChoiceEngine)][:1]
    return np.array(states, np.int8).reshape(len(states), variables)[np.arange(count) % len(states)]

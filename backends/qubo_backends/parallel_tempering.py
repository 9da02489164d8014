"""Parallel tempering, also known as replica exchange Monte Carlo (Hukushima and Nemoto 1996).

Replicas of the model are sampled at a ladder of temperatures; neighbours exchange temperatures, so that hot
replicas bring new basins to cold ones. One-hot groups can be kept natively: a move then switches the choice.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from functools import cache
from typing import Any, ClassVar

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from qubo_backends import _sampling
from qubo_backends._pt.choices.sampling import KINDS, check_kinds, sample_choices
from qubo_backends._pt_kernels import Replicas, temper
from qubo_backends._pt_ladder import polished, random_replicas, temperature_range
from qubo_backends._pt_model import TemperingModel, tempering_model
from qubo_dnn.backend import Capabilities, SolveOptions, check_model
from qubo_dnn.problem import Problem

_REPLICAS = 32
_MAX_SWEEPS = 1000
# Additions that the default number of sweeps may cost; about ten seconds on one core.
_DEFAULT_WORK = 1e10
# A call of the kernel holds back Ctrl-C and the clock; it is kept shorter than this.
_CHUNK_SECONDS = 0.05


class ParallelTemperingOptions(SolveOptions):
    """Options of `pt`; `num_reads` independent runs return one row each (default 1)."""

    num_replicas: int = Field(default=_REPLICAS, ge=1, le=4096, description="temperatures, one replica at each")
    num_sweeps: int | None = Field(
        default=None,
        ge=1,
        description="sweeps per read (default: up to 1000, fewer on large models; with time_limit: until it ends)",
    )
    temperature_range: _sampling.FloatPair | None = Field(
        default=None, description="coldest,hottest in the unit of the model (default: measured on the model)"
    )

    @model_validator(mode="after")
    def _ordered(self) -> ParallelTemperingOptions:
        if self.temperature_range is not None and not 0 < self.temperature_range[0] <= self.temperature_range[1]:
            raise ValueError("temperature_range must be coldest,hottest with 0 < coldest <= hottest")
        return self


class ParallelTemperingBackend:
    """Parallel tempering with native one-hot groups."""

    name: ClassVar[str] = "pt"
    summary: ClassVar[str] = "parallel tempering on this machine, with native linear constraints"
    options_type: ClassVar[type[SolveOptions]] = ParallelTemperingOptions

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(native_constraints=KINDS, low_rank=True)

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`."""
        return self._sample(bqm, (), options)

    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        """Draw samples that keep all constraints; see `qubo_dnn.backend.ConstrainedBackend`.

        Raises:
            UnsupportedProblemError: `problem` has constraints of another kind than `capabilities.native_constraints`.
        """
        options = _sampling.typed_options(self, options, ParallelTemperingOptions)
        check_model(self, problem.objective)
        check_kinds(self, problem)
        return sample_choices(
            problem,
            seed=_sampling.drawn_seed(options),
            num_reads=options.num_reads or 1,
            num_replicas=options.num_replicas,
            num_sweeps=options.num_sweeps,
            time_limit=options.time_limit,
            temperatures=options.temperature_range,
        )

    def _sample(
        self, bqm: dimod.BinaryQuadraticModel, groups: Sequence[Sequence[Hashable]], options: SolveOptions
    ) -> dimod.SampleSet:
        options = _sampling.typed_options(self, options, ParallelTemperingOptions)
        check_model(self, bqm)
        _compile()
        seed = _sampling.drawn_seed(options)
        with _sampling.Watch(options.time_limit) as watch:
            order = _sampling.natural_order(bqm)
            index = {variable: position for position, variable in enumerate(order)}
            numbered = [[index[variable] for variable in group] for group in groups]
            model = tempering_model(_sampling.indexed(bqm, dimod.BINARY), numbered)
            ladder_seed, *read_seeds = np.random.SeedSequence(seed).spawn(1 + (options.num_reads or 1))
            betas = _betas(model, options, np.random.default_rng(ladder_seed))
            sweeps = _num_sweeps(model, options)
            states: list[NDArray[np.int8]] = []
            runs: list[tuple[Replicas, int]] = []
            for read, read_seed in enumerate(read_seeds):
                if states and watch.over:
                    break
                share = watch.seconds_left / (len(read_seeds) - read)
                replicas = random_replicas(model, options.num_replicas, np.random.default_rng(read_seed))
                runs.append((replicas, _run(model, replicas, betas, sweeps, watch, watch.seconds + share)))
                states.append(polished(model, replicas.best_state))
        rows = np.array(states).reshape(len(states), len(order))
        return _sampling.answer(bqm, order, rows, _info(seed, watch, model, betas, runs))


@cache
def _compile() -> None:
    """Compile (or load from disk) all kernels on a small model, so that no clock counts it."""
    bqm = dimod.BinaryQuadraticModel({}, {(0, 1): 1.0, (1, 2): 1.0}, 0.0, dimod.BINARY)
    model = tempering_model(bqm, [(0, 1)])
    rng = np.random.default_rng(0)
    temperature_range(model, rng)
    temper(model, random_replicas(model, 2, rng), np.array([2.0, 1.0]), 0, 1)


def _betas(model: TemperingModel, options: ParallelTemperingOptions, rng: np.random.Generator) -> NDArray[np.float64]:
    cold, hot = options.temperature_range or temperature_range(model, rng)
    return np.asarray(1.0 / np.geomspace(cold, hot, options.num_replicas))


def _num_sweeps(model: TemperingModel, options: ParallelTemperingOptions) -> int | None:
    """Sweeps per read; None means until the time is over. Never depends on the speed of the machine."""
    if np.all(np.diff(model.group_starts) == 1) and model.free.size == 0:
        return 1
    if options.num_sweeps is not None or options.time_limit is not None:
        return options.num_sweeps
    # An accepted move costs a row; about one in five is accepted, averaged over the ladder.
    per_sweep = 10 * (model.free.size + model.members.size) + model.values.size / 5
    return int(np.clip(_DEFAULT_WORK / (options.num_replicas * max(per_sweep, 1)), 20, _MAX_SWEEPS))


def _run(
    model: TemperingModel,
    replicas: Replicas,
    betas: NDArray[np.float64],
    sweeps: int | None,
    watch: _sampling.Watch,
    until: float,
) -> int:
    """Sweep until `sweeps` are done or the watch passes `until` seconds; returns the number done, at least 1."""
    done, chunk = 0, 1
    while sweeps is None or done < sweeps:
        upto = done + chunk if sweeps is None else min(done + chunk, sweeps)
        started = time.perf_counter()
        temper(model, replicas, betas, done, upto)
        done = upto
        if time.perf_counter() - started < _CHUNK_SECONDS / 2:
            chunk *= 2
        if watch.over or watch.seconds >= until:
            break
    return done


def _info(
    seed: int,
    watch: _sampling.Watch,
    model: TemperingModel,
    betas: NDArray[np.float64],
    runs: Sequence[tuple[Replicas, int]],
) -> dict[str, Any]:
    """What the run did; rates are averages over all reads, coldest temperature first."""
    sweeps = sum(done for _, done in runs)
    sites = model.free.size + model.group_starts.size - 1
    moves = np.sum([replicas.moves for replicas, _ in runs], axis=0)
    exchanges = np.sum([replicas.exchanges for replicas, _ in runs], axis=0)
    # Even and odd pairs take turns, so each pair is offered every second sweep.
    offered = np.array([sum((done + 1 - t % 2) // 2 for _, done in runs) for t in range(len(betas) - 1)])
    return {
        "seed": seed,
        "interrupted": watch.interrupted,
        "seconds": watch.seconds,
        "sweeps": [done for _, done in runs],
        "temperatures": (1.0 / betas).tolist(),
        "move_acceptance": (moves / max(sweeps * sites, 1)).tolist(),
        "exchange_acceptance": (exchanges[:-1] / np.maximum(offered, 1)).tolist(),
    }

"""A constrained problem from start to answer: its engine, a clock, and the rows."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_backends import _sampling
from qubo_backends._pt.choices.engine import ChoiceEngine
from qubo_backends._pt.choices.model import ChoiceModel, choices_of
from qubo_dnn.backend import Backend
from qubo_dnn.constraint import Constraint, ConstraintKind
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.problem import LowRank, Problem

KINDS = frozenset({ConstraintKind.ONE_HOT, ConstraintKind.INEQUALITY, ConstraintKind.ASSIGNMENT})
"""Kinds of constraint that no move leaves."""

# A call of the kernel holds back Ctrl-C and the clock; it is kept shorter than this.
_CHUNK_SECONDS = 0.05
# Attempts to find a state within the constraints; after these the least violated is the answer.
_ATTEMPTS = 8
# Additions that the default number of sweeps may cost, and what it is at least and at most.
_DEFAULT_WORK, _SWEEPS = 1e10, (200, 1000)


def check_kinds(backend: Backend, problem: Problem[Any]) -> None:
    """Refuse constraints that moves cannot keep.

    Raises:
        UnsupportedProblemError: the text names the first one.
    """
    for label, kind in problem.kinds.items():
        if kind not in KINDS:
            raise UnsupportedProblemError(
                f"backend {backend.name!r} keeps constraints of the kinds {', '.join(sorted(KINDS))}; {label!r} is of "
                f"the kind {kind}"
            )


def sample_choices(
    problem: Problem[Any],
    *,
    seed: int,
    num_reads: int,
    num_replicas: int,
    num_sweeps: int | None,
    time_limit: float | None,
    temperatures: tuple[float, float] | None,
    initial_states: NDArray[np.int8] | None = None,
) -> dimod.SampleSet:
    """The best different states found, the best one again where there are fewer than `num_reads`.

    Args:
        problem: with constraints of `KINDS` only.
        seed: of every random choice.
        num_reads: rows to return.
        num_replicas: temperatures.
        num_sweeps: None takes as many as seem enough, or with a time limit as there is time for.
        time_limit: seconds.
        temperatures: coldest and hottest, None to measure them.
        initial_states: see `ChoiceEngine`.
    """
    choices = choices_of(problem)
    _compile(choices.model.values.dtype.char, problem.low_rank is not None)
    with _sampling.Watch(time_limit) as watch:
        engine = ChoiceEngine(
            choices,
            num_replicas=num_replicas,
            seed=np.random.SeedSequence(seed),
            keep=num_reads,
            temperatures=temperatures,
            initial_states=initial_states,
        )
        last = num_sweeps
        if last is None and time_limit is None:
            last = _default_sweeps(choices.model, num_replicas)
        step = 1
        while not watch.over and (last is None or engine.sweeps < last):
            if (engine.least_violated is not None and engine.sweeps >= _ATTEMPTS) or not engine.attempts_per_sweep:
                break
            started = time.perf_counter()
            engine.advance(step if last is None else min(step, last - engine.sweeps))
            if time.perf_counter() - started < _CHUNK_SECONDS / 2:
                step *= 2
        rows = engine.elite.states if engine.least_violated is None else [engine.least_violated]
        states = np.array(rows, np.int8).reshape(len(rows), len(problem.variables))
        info = {"seed": seed, "interrupted": watch.interrupted, "seconds": watch.seconds, "sweeps": engine.sweeps}
    return _answer(problem, np.resize(states, (num_reads, states.shape[1])), info | engine.report())


def _answer(problem: Problem[Any], states: NDArray[np.int8], info: dict[str, Any]) -> dimod.SampleSet:
    """Rows with the energies of the whole objective."""
    found = _sampling.answer(problem.objective, problem.variables, states, info)
    if problem.low_rank is None:
        return found
    place = {variable: index for index, variable in enumerate(problem.variables)}
    chosen = states[:, [place[variable] for variable in problem.low_rank.variables]] == 1
    extra = [float(np.square(problem.low_rank.factor[row].sum(axis=0, dtype=float)).sum() / 2.0) for row in chosen]
    return dimod.SampleSet.from_samples(
        (states, problem.variables), energy=found.record.energy + extra, vartype=dimod.BINARY, info=info
    )


def _default_sweeps(model: ChoiceModel, num_replicas: int) -> int:
    """Sweeps where nothing else ends the run; never depends on the speed of the machine."""
    sites, entries = max(len(model.firsts), 1), model.values.size + model.factor.shape[1] * len(model.linear)
    per_sweep = num_replicas * (100 * sites + entries / 5)
    return int(np.clip(_DEFAULT_WORK / per_sweep, *_SWEEPS))


@cache
def _compile(values: str, low_rank: bool) -> None:
    """Compile (or load from disk) all kernels on a small problem, so that no clock counts it.

    Args:
        values: character of the type of the interactions, which kernels are compiled for.
        low_rank: whether the kernels of products are needed.
    """
    labels = list("abcde")
    objective = dimod.BinaryQuadraticModel({}, {("a", "c"): 0.1 if values == "d" else 1.0}, 0.0, dimod.BINARY)
    for label in labels:
        objective.add_linear(label, 1.0)
    count = dimod.BinaryQuadraticModel({"a": 1.0, "c": 1.0}, {}, 0.0, dimod.BINARY)
    problem = Problem(
        objective=objective,
        decoder=dict,
        one_hot={"one": ("a", "b"), "two": ("c", "d")},
        constraints={"limit": Constraint(count, "<=", 1.0)},
        low_rank=LowRank(tuple(labels), np.ones((5, 1), np.float32)) if low_rank else None,
    )
    ChoiceEngine(choices_of(problem), num_replicas=2, seed=np.random.SeedSequence(0)).advance(1)

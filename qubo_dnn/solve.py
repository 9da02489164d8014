"""Solving a problem with any backend: relaxed as far as the backend needs it, its samples repaired."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import dimod
import numpy as np

from qubo_dnn.backend import Backend, SolveOptions, make_options
from qubo_dnn.constraints.local import Bits, LocalState
from qubo_dnn.constraints.relaxation import Relaxation
from qubo_dnn.constraints.repair import repair
from qubo_dnn.errors import BackendFailedError
from qubo_dnn.problem import Decoded, Problem, Variable

T = TypeVar("T")
MAX_ROUNDS, REPAIRED_ROWS = 6, 8


@dataclass(frozen=True)
class Round:
    """One call of the backend.

    Attributes:
        number: from 1.
        multiplier: weight of the relaxed inequality, 0.0 where there is none.
        penalties: smallest and largest one-hot penalty, None where groups are kept natively.
        broken_groups: one-hot groups that the row of least energy broke.
        objective: best feasible objective so far, None while there is none.
        seconds: wall-clock seconds of this round.
    """

    number: int
    multiplier: float
    penalties: tuple[float, float] | None
    broken_groups: int
    objective: float | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Solution(Generic[T]):
    """The best answer found, in the user's terms.

    Attributes:
        best: decoded; `best.violations` says what an infeasible answer breaks.
        sample: the variables' values that `best` was decoded from.
        repaired: `sample` is not the row as the backend returned it: groups or a budget were mended, or the rest
            of a budget was spent.
        sampleset: what the backend returned in the round that led to `best`.
        backend, seed: with them and equal options the answer is found again.
        rounds: one entry per call of the backend.
        interrupted: Ctrl-C ended the search early; `best` is the best until then.
        seconds: wall-clock seconds of the search.
    """

    best: Decoded[T]
    sample: Mapping[Variable, int]
    repaired: bool
    sampleset: dimod.SampleSet
    backend: str
    seed: int | None
    rounds: tuple[Round, ...]
    interrupted: bool
    seconds: float


def solve(
    problem: Problem[T],
    backend: Backend,
    options: Mapping[str, Any] | None = None,
    progress: Callable[[Round], None] | None = None,
) -> Solution[T]:
    """Minimise a problem.

    Args:
        problem: what a formulation's `compile` returned.
        backend: see `qubo_dnn.registry.get_backend`.
        options: of the backend; `time_limit` (seconds) is for all rounds together, and without a `seed` one
            is drawn and reported.
        progress: called after every round.

    Returns:
        The best feasible answer found, or else the least infeasible one.

    Raises:
        OptionError: an option is unknown, out of range or not supported.
        UnsupportedProblemError: the problem is beyond the backend's limits, or its constraints can neither be
            kept by the backend nor relaxed.
        BackendFailedError: sampling broke off, was interrupted before any answer, or answered another model.
    """
    started = time.perf_counter()
    settings = make_options(backend, options or {})
    if settings.seed is None and backend.capabilities.seeded:
        settings = settings.model_copy(update={"seed": secrets.randbits(32)})
    relaxation = Relaxation(problem, backend.capabilities)
    best: _Candidate | None = None
    rounds: list[Round] = []
    interrupted = False
    try:
        while not interrupted and len(rounds) < MAX_ROUNDS:
            begun = time.perf_counter()
            if settings.time_limit is not None and rounds and begun - started >= settings.time_limit:
                break
            multiplier, weights = relaxation.multiplier, tuple(relaxation.penalties.values())
            rounds_left = 1 if relaxation.settled else MAX_ROUNDS - len(rounds)
            asked = _for_round(settings, len(rounds), begun - started, rounds_left)
            sampleset = relaxation.sample(backend, asked)
            candidates = _candidates(relaxation, sampleset)
            best = min([best, *candidates] if best else candidates, key=_Candidate.rank)
            interrupted = bool(sampleset.info.get("interrupted", False))
            done = Round(
                number=len(rounds) + 1,
                multiplier=multiplier,
                penalties=(min(weights), max(weights)) if weights else None,
                broken_groups=relaxation.learn(_rows(problem, sampleset, 1)[0]),
                objective=best.objective if best.violation == 0.0 else None,
                seconds=time.perf_counter() - begun,
            )
            rounds.append(done)
            if progress:
                progress(done)
            if relaxation.settled:
                break
    except KeyboardInterrupt:
        interrupted = True
    if best is None:
        raise BackendFailedError(f"backend {backend.name!r} was interrupted before its first answer")
    sample = dict(zip(problem.variables, best.x.tolist(), strict=True))
    return Solution(
        best=problem.decode(sample),
        sample=sample,
        repaired=best.repaired,
        sampleset=best.sampleset,
        backend=backend.name,
        seed=settings.seed,
        rounds=tuple(rounds),
        interrupted=interrupted,
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True)
class _Candidate:
    x: Bits
    sampleset: dimod.SampleSet
    repaired: bool
    violation: float
    objective: float

    def rank(self) -> tuple[float, float]:
        return self.violation, self.objective


def _for_round(settings: SolveOptions, index: int, elapsed: float, rounds_left: int) -> SolveOptions:
    """The backend's options in one round: a seed of its own, an equal share of the time left."""
    update: dict[str, Any] = {}
    if settings.seed is not None and index:
        update["seed"] = int(np.random.SeedSequence([settings.seed, index]).generate_state(1)[0])
    if settings.time_limit is not None:
        update["time_limit"] = max(settings.time_limit - elapsed, 1e-3) / rounds_left
    return settings.model_copy(update=update)


def _rows(problem: Problem[Any], sampleset: dimod.SampleSet, count: int) -> list[Bits]:
    """The `count` rows of least energy over the problem's variables, in its order."""
    place = {variable: index for index, variable in enumerate(sampleset.variables)}
    columns = np.array([place[variable] for variable in problem.variables], np.intp)
    order = np.argsort(sampleset.record.energy, kind="stable")[:count]
    return list(np.asarray(sampleset.record.sample[order][:, columns], dtype=np.int8))


def _candidates(relaxation: Relaxation, sampleset: dimod.SampleSet) -> list[_Candidate]:
    """The best rows, repaired where anything was relaxed."""
    found = []
    for row in _rows(relaxation.problem, sampleset, REPAIRED_ROWS if relaxation.relaxed else 1):
        state = LocalState(relaxation.model, row)
        if relaxation.relaxed:
            repair(state)
        changed = not np.array_equal(state.x, row)
        found.append(_Candidate(state.x, sampleset, changed, state.violation, float(state.values[0])))
    return found

"""Solving a problem with any backend: relaxed as far as the backend needs it, its samples repaired."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import dimod
import numpy as np

from qubo_dnn.arguments import checked
from qubo_dnn.backend import Backend, Capabilities, SolveOptions, make_options
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.constraints.linearize import linearized
from qubo_dnn.constraints.pool import Pool, different_rows
from qubo_dnn.constraints.relaxation import Relaxation
from qubo_dnn.constraints.repair import repair
from qubo_dnn.encodings.names import LAGRANGIAN, check_inequalities
from qubo_dnn.errors import BackendFailedError, OptionError, UnsupportedProblemError
from qubo_dnn.local_search import LocalState, descend
from qubo_dnn.problem import Decoded, Problem, Variable
from qubo_dnn.pyqubo_models import with_exact_products

T = TypeVar("T")
MAX_ROUNDS = 6
# Share of a time limit that the first multipliers and penalties may take.
_LOCAL_SHARE = 0.25
# Share of its time from which on a backend's answer counts as cut short: samplers that double their sweeps use half.
_USED = 0.4
# Rounds end when the best answer is so near, relative to its size, to what the backend's row bounds it by.
_CLOSE = 2e-3


@dataclass(frozen=True)
class Round:
    """One call of the backend.

    Attributes:
        number: from 1.
        multipliers: relaxed inequality -> its weight, 0.0 where it does not bind.
        penalties: smallest and largest one-hot penalty, None where groups are kept natively.
        weights: penalised constraint -> weight of its penalty model.
        broken: one-hot groups and penalised constraints that the row of least energy broke.
        presolve: what it fixed and took apart, see `qubo_dnn.presolve.reduction.Reduction.summary`; empty without.
        objective: best feasible objective so far, in the problem's sense; None while there is none.
        seconds: wall-clock seconds of this round.
    """

    number: int
    multipliers: Mapping[str, float]
    penalties: tuple[float, float] | None
    weights: Mapping[str, float]
    broken: tuple[str, ...]
    presolve: Mapping[str, int]
    objective: float | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Solution(Generic[T]):
    """The best answer found, in the user's terms.

    Attributes:
        best: decoded; `best.violations` says what an infeasible answer breaks.
        candidates: the best answers of all rounds, all of them feasible and no two the same state, `best` first;
            as many as were asked for or found. `best` alone where nothing feasible was found.
        sample: the variables' values that `best` was decoded from.
        repaired: `sample` is not the row as the backend returned it: groups or a budget were mended, or the rest
            of a budget was spent.
        sampleset: what the backend returned in the round that led to `best`, with variables of slack.
        backend, seed: with them and equal options the answer is found again.
        rounds: one entry per call of the backend.
        interrupted: Ctrl-C ended the search early; `best` is the best until then.
        failed: what broke the backend off in the round after the last of `rounds`, or None.
        seconds: wall-clock seconds of the search.
    """

    best: Decoded[T]
    candidates: tuple[Decoded[T], ...]
    sample: Mapping[Variable, int]
    repaired: bool
    sampleset: dimod.SampleSet
    backend: str
    seed: int | None
    rounds: tuple[Round, ...]
    interrupted: bool
    failed: str | None
    seconds: float


@checked
def solve(
    problem: Problem[T],
    backend: Backend,
    options: Mapping[str, Any] | None = None,
    progress: Callable[[Round], None] | None = None,
    *,
    keep: int = 1,
    presolve: bool = True,
    inequalities: str = LAGRANGIAN,
) -> Solution[T]:
    """Minimise a problem.

    Args:
        problem: what a formulation's `compile` returned. Products that pyqubo put in for terms of a higher degree are
            kept right whatever its strength, see `qubo_dnn.pyqubo_models`.
        backend: see `qubo_dnn.registry.get_backend`.
        options: of the backend; `time_limit` (seconds) is for the whole search but reading the problem and one
            call of the backend, which always take place; without a `seed` one is drawn and reported.
        progress: called after every round.
        keep: most candidates to return, >= 1.
        presolve: fix variables and take components apart before the backend is asked; `Round.presolve` tells.
        inequalities: how linear inequalities that the backend does not keep reach it: `lagrangian`, `slack`,
            `slack:ENCODING` (binary, bounded-coefficient:N, unary, one-hot, domain-wall) or `unbalanced`.

    Returns:
        The best feasible answer found, or else the least infeasible one.

    Raises:
        OptionError: an option is unknown, out of range or not supported, or `keep` is less than 1.
        UnsupportedProblemError: the problem is beyond the backend's limits, or its constraints can neither be
            kept by the backend nor relaxed.
        BackendFailedError: sampling broke off or answered another model, in the first round (later ones: see
            `Solution.failed`), or was interrupted before any answer.
    """
    if keep < 1:
        raise OptionError(f"keep must be at least 1, not {keep}")
    check_inequalities(inequalities)
    problem = with_exact_products(problem)
    posed = problem.without_constants()
    check_solvable(posed, backend)
    started = time.perf_counter()
    settings = make_options(backend, {} if options is None else options)
    if settings.seed is None and backend.capabilities.seeded:
        settings = settings.model_copy(update={"seed": secrets.randbits(32)})
    limit = math.inf if settings.time_limit is None else settings.time_limit
    # A solver that proves bounds takes quadratic constraints where they say the same as linear ones.
    asked_of = linearized(problem) if backend.capabilities.bounds else problem
    if not backend.capabilities.keeps(asked_of):
        asked_of = problem
    relaxation = Relaxation(asked_of, backend.capabilities, started + _LOCAL_SHARE * limit, presolve, inequalities)
    pool = Pool(keep, started + limit)
    rounds: list[Round] = []
    interrupted, failed = False, None
    try:
        while not interrupted and len(rounds) < MAX_ROUNDS:
            begun = time.perf_counter()
            if rounds and begun - started >= limit:
                break
            multipliers, weights = dict(relaxation.multipliers), tuple(relaxation.penalties.values())
            constraint_weights = dict(relaxation.weights)
            shared = not relaxation.settled and backend.capabilities.fills_time
            rounds_left = MAX_ROUNDS - len(rounds) if shared else 1
            asked = _for_round(settings, len(rounds), begun - started, rounds_left)
            sampleset = relaxation.sample(backend, asked)
            pool.add(relaxation, sampleset)
            interrupted = bool(sampleset.info.get("interrupted", False))
            row = different_rows(relaxation.problem, sampleset)[0]
            bound = relaxation.lagrangian(row) if relaxation.relaxed else -math.inf
            broken = relaxation.learn(row)
            lowest = pool.best.objective if pool.best.violation == 0.0 else None
            done = Round(
                number=len(rounds) + 1,
                multipliers=multipliers,
                penalties=(min(weights), max(weights)) if weights else None,
                weights=constraint_weights,
                broken=broken,
                presolve=dict(relaxation.presolved),
                objective=None if lowest is None else problem.in_own_sense(lowest),
                seconds=time.perf_counter() - begun,
            )
            rounds.append(done)
            if progress:
                progress(done)
            closed = lowest is not None and lowest - bound <= _CLOSE * abs(lowest)
            # An answer cut short by its share of the time deserves the rest, though nothing is left to learn.
            cut_short = asked.time_limit is not None and rounds_left > 1 and done.seconds >= _USED * asked.time_limit
            if (relaxation.settled or (closed and not broken)) and not cut_short:
                if relaxation.relaxed or not _wants_relaxing(posed, backend, pool):
                    break
                able = replace(
                    backend.capabilities,
                    native_constraints=backend.capabilities.native_constraints & {ConstraintKind.ONE_HOT},
                )
                relaxation = Relaxation(problem, able, time.perf_counter(), presolve, inequalities)
    except KeyboardInterrupt:
        interrupted = True
    except BackendFailedError as cause:
        if not rounds:
            raise
        failed = str(cause)
    if not pool.candidates:
        raise BackendFailedError(f"backend {backend.name!r} was interrupted before its first answer")
    sample = dict(zip(problem.variables, pool.best.x.tolist(), strict=True))
    decoded = [problem.decode(sample)]
    try:
        for other in pool.kept[1:]:
            decoded.append(problem.decode(dict(zip(problem.variables, other.x.tolist(), strict=True))))
    except KeyboardInterrupt:
        interrupted = True
    return Solution(
        best=decoded[0],
        candidates=tuple(decoded),
        sample=sample,
        repaired=pool.best.repaired,
        sampleset=pool.best.sampleset,
        backend=backend.name,
        seed=settings.seed,
        rounds=tuple(rounds),
        interrupted=interrupted,
        failed=failed,
        seconds=time.perf_counter() - started,
    )


@checked
def check_solvable(problem: Problem[Any], backend: Backend) -> None:
    """Refuse a low-rank objective that the backend cannot take as it is: it can neither be relaxed nor written out.

    Raises:
        UnsupportedProblemError: the text says why.
    """
    able = backend.capabilities
    if problem.low_rank is None or able.keeps(problem):
        return
    if not able.low_rank:
        try:
            problem.check_expressible()
        except UnsupportedProblemError as cause:
            raise UnsupportedProblemError(f"backend {backend.name!r} takes no low-rank objective: {cause}") from cause
    others = sorted(problem.constraint_kinds - able.native_constraints)
    raise UnsupportedProblemError(
        f"backend {backend.name!r} takes a low-rank objective, but not with constraints of the kind {others[0]!r}, "
        "which would have to be relaxed"
    )


def _wants_relaxing(problem: Problem[Any], backend: Backend, pool: Pool) -> bool:
    """Whether a backend on this machine kept the constraints itself, but found nothing within them.

    A service has done its best, and would charge for more.
    """
    able = backend.capabilities
    sample = dict(zip(problem.variables, pool.best.x.tolist(), strict=True))
    if able.remote or problem.low_rank is not None or not problem.violations(sample):
        return False
    return bool(problem.constraint_kinds - {ConstraintKind.ONE_HOT, ConstraintKind.QUADRATIC})


@checked
def solve_locally(problem: Problem[T]) -> Decoded[T]:
    """An answer without any backend, by local descent and repair: quick, deterministic, often near the best.

    Raises:
        UnsupportedProblemError: the problem's constraints cannot be relaxed.
    """
    problem.check_expressible()
    state = local_answer(problem)
    return problem.decode(dict(zip(problem.variables, state.x.tolist(), strict=True)))


def local_answer(problem: Problem[Any], deadline: float = math.inf) -> LocalState:
    """What `solve_locally` decodes; it may break constraints.

    Args:
        problem: without low-rank form.
        deadline: `time.perf_counter()` at which the search takes what it has.

    Raises:
        UnsupportedProblemError: see `solve_locally`.
    """
    relaxation = Relaxation(problem, Capabilities(), deadline)
    state = relaxation.start
    if state is None:
        state = LocalState(relaxation.model, np.zeros(len(problem.variables), np.int8))
        # Where nothing is relaxed, constraints are left that no variable can change.
        descend(state, np.eye(1, len(state.values))[0])
    repair(state, deadline)
    return state


def _for_round(settings: SolveOptions, index: int, elapsed: float, rounds_left: int) -> SolveOptions:
    """The backend's options in one round: a seed of its own, an equal share of the time left."""
    update: dict[str, Any] = {}
    if settings.seed is not None and index:
        update["seed"] = int(np.random.SeedSequence([settings.seed, index]).generate_state(1)[0])
    if settings.time_limit is not None:
        update["time_limit"] = max(settings.time_limit - elapsed, 1e-3) / rounds_left
    return settings.model_copy(update=update)

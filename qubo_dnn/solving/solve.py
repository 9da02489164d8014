"""Solve a problem with any backend: relax the constraints that it does not keep, and repair its samples."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar

import dimod
import numpy as np

from qubo_dnn.backend import Backend, SolveOptions, make_options
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.constraints.exact_products import with_exact_products
from qubo_dnn.constraints.linearize import linearized
from qubo_dnn.constraints.pool import Candidate, Pool, different_rows
from qubo_dnn.constraints.relaxation import RelaxedProblem
from qubo_dnn.encodings.names import LAGRANGIAN, check_inequalities
from qubo_dnn.errors import BackendFailedError, OptionError, UnsupportedProblemError
from qubo_dnn.problem import Decoded, Problem
from qubo_dnn.solving.solution import BackendCall, Solution
from qubo_dnn.support.arguments import checked

T = TypeVar("T")
MAX_CALLS = 6
# Share of a time limit for the first multipliers and penalties.
_LOCAL_SHARE = 0.25
# Share of a time limit for local moves on answers of a backend that keeps quadratic inequalities.
_IMPROVING_SHARE = 0.1
# Share of what is left of a time limit for a call within quadratic inequalities; the rest is for calls at prices.
_NATIVE_SHARE = 0.5
# A call counts as cut short if it used this share of its time: samplers that double their sweeps may stop at half.
_USED = 0.4
# Calls end when the gap between the best answer and the Lagrangian bound of the row is at most this share.
_CLOSE = 2e-3


@checked
def solve(
    problem: Problem[T],
    backend: Backend,
    options: Mapping[str, Any] | None = None,
    progress: Callable[[BackendCall], None] | None = None,
    *,
    num_solutions: int = 1,
    presolve: bool = True,
    inequalities: str = LAGRANGIAN,
) -> Solution[T]:
    """Solve a problem with a backend, in the sense of the problem.

    Args:
        problem: from a formulation's `compile` or from `qubo_dnn.models`. Products that pyqubo substituted for terms
            of higher degree stay correct for any strength, see `qubo_dnn.constraints.exact_products`.
        backend: see `qubo_dnn.registry.get_backend`.
        options: options of the backend. `time_limit` (seconds) covers the whole search, except the setup and one call,
            which always take place. Without a `seed`, `solve` draws one and reports it.
        progress: called after every call of the backend.
        num_solutions: largest number of candidates to return, >= 1.
        presolve: fix variables and split components before each call; `BackendCall.presolve` has the figures. With one
            solution and without relaxed constraints, it also eliminates variables of local backends.
        inequalities: encoding of the linear inequalities that the backend does not keep: `lagrangian`, `slack`,
            `slack:ENCODING` (binary, bounded-coefficient:N, unary, one-hot, domain-wall) or `unbalanced`.

    Returns:
        The best feasible answer, never worse than a feasible `problem.start`, or the least infeasible one if the search
        finds no feasible answer.

    Raises:
        OptionError: an option is unknown, out of range or not supported, or `num_solutions` is less than 1.
        UnsupportedProblemError: the problem exceeds the backend's limits, or a constraint can be neither kept by the
            backend nor relaxed.
        BackendFailedError: in the first call, sampling failed, returned samples of another model or was interrupted
            before any answer. `Solution.failed` reports failures of later calls.

    Example:
        >>> from qubo_dnn.registry import get_backend, get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4)
        >>> solution = solve(knapsack.compile(), get_backend("steepest-descent"), {"num_reads": 10, "seed": 1})
        >>> solution.best.value, solution.best.objective
        (frozenset({1, 2}), 5.0)
    """
    if num_solutions < 1:
        raise OptionError(f"num_solutions must be at least 1, not {num_solutions}")
    check_inequalities(inequalities)
    problem = with_exact_products(problem)
    posed = problem.without_constants()
    check_solvable(posed, backend)
    started = time.perf_counter()
    settings = make_options(backend, {} if options is None else options)
    if settings.seed is None and backend.capabilities.seeded:
        settings = settings.model_copy(update={"seed": secrets.randbits(32)})
    run = _Run(problem, posed, backend, settings, started, num_solutions, presolve, inequalities)
    run.call_backend(progress)
    return run.solution()


class _Run(Generic[T]):
    """The backend calls of one `solve`; each uses a relaxation improved by the previous answers.

    Args:
        problem: with exact products.
        posed: the problem without constant constraints.
        backend: see `solve`.
        settings: options of the backend; the time limit covers the whole run.
        started: `time.perf_counter()` at the start of the run.
        num_solutions, presolve, inequalities: see `solve`.
    """

    def __init__(
        self,
        problem: Problem[T],
        posed: Problem[T],
        backend: Backend,
        settings: SolveOptions,
        started: float,
        num_solutions: int,
        presolve: bool,
        inequalities: str,
    ) -> None:
        self.problem, self.posed, self.backend, self.settings = problem, posed, backend, settings
        self.started = started
        self.limit = math.inf if settings.time_limit is None else settings.time_limit
        self.presolve, self.inequalities = presolve, inequalities
        # A solver that proves bounds gets quadratic constraints as equivalent linear ones where they exist.
        linear = linearized(problem) if backend.capabilities.bounds else problem
        sent = linear if backend.capabilities.supports(linear) else problem
        deadline = started + _LOCAL_SHARE * self.limit
        single = num_solutions == 1
        self.relaxation = RelaxedProblem(sent, backend.capabilities, deadline, presolve, inequalities, single)
        grace = 0.0 if math.isinf(self.limit) else _IMPROVING_SHARE * self.limit
        # Moves of a few sites hardly cross from one way of using up a product to another, which prices do at once; and
        # answers at prices hardly use it up.
        self._priced_too = (
            self.relaxation.improved
            and not backend.capabilities.remote
            and any(not each.is_linear and each.penalty is None for each in posed.constraints.values())
        )
        self.pool = Pool(num_solutions, started + self.limit, grace)
        if problem.start is not None:
            self.pool.begin(self.relaxation, problem.start, deadline)
        self.calls: list[BackendCall] = []
        self._sampleset: dimod.SampleSet | None = None
        self.interrupted = False
        self.failed: str | None = None

    def call_backend(self, progress: Callable[[BackendCall], None] | None) -> None:
        """Call the backend until the weights are settled or the time is up.

        Raises:
            BackendFailedError: the first call failed, or the run was interrupted before any answer.
            QuboDnnError: see `solve`.
        """
        try:
            while not self.interrupted and len(self.calls) < MAX_CALLS:
                if self.calls and time.perf_counter() - self.started >= self.limit:
                    break
                ended = self._call()
                if progress:
                    progress(self.calls[-1])
                if ended and not self._relax_what_was_kept():
                    break
        except KeyboardInterrupt:
            self.interrupted = True
        except BackendFailedError as cause:
            if not self.calls:
                raise
            self.failed = str(cause)
        if self._sampleset is None or not self.pool.candidates:
            raise BackendFailedError(f"backend {self.backend.name!r} was interrupted before its first answer")

    def _call(self) -> bool:
        """Call the backend once, and adjust the weights to its answer.

        Returns:
            True if another call would not improve the answer.
        """
        relaxation, begun = self.relaxation, time.perf_counter()
        multipliers, penalties = dict(relaxation.multipliers), tuple(relaxation.penalties.values())
        weights = dict(relaxation.weights)
        shared = not relaxation.settled and self.backend.capabilities.fills_time
        calls_left = MAX_CALLS - len(self.calls) if shared else 1
        options = self._options(begun - self.started, calls_left)
        start = None if self.problem.start is None else self._sample(self.pool.best)
        sampleset = relaxation.sample(self.backend, options, start)
        self._sampleset = sampleset
        self.pool.add(relaxation, sampleset)
        self.interrupted = bool(sampleset.info.get("interrupted", False))
        row = different_rows(relaxation.problem, sampleset)[0]
        bound = relaxation.lagrangian(row) if relaxation.relaxed else -math.inf
        broken = relaxation.learn(row)
        lowest = self.pool.best.objective if self.pool.best.violation == 0.0 else None
        seconds = time.perf_counter() - begun
        self.calls.append(
            BackendCall(
                number=len(self.calls) + 1,
                multipliers=multipliers,
                penalties=(min(penalties), max(penalties)) if penalties else None,
                weights=weights,
                broken=broken,
                presolve=dict(relaxation.presolved),
                objective=None if lowest is None else self.problem.in_own_sense(lowest),
                seconds=seconds,
            )
        )
        closed = lowest is not None and lowest - bound <= _CLOSE * abs(lowest)
        # A call that its share of the time cut short gets the rest, even if the weights are settled.
        cut_short = options.time_limit is not None and calls_left > 1 and seconds >= _USED * options.time_limit
        return (relaxation.settled or (closed and not broken)) and not cut_short

    def _options(self, elapsed: float, calls_left: int) -> SolveOptions:
        """Return the options of the next call: a different seed and an equal share of the time left."""
        settings = self.settings
        update: dict[str, Any] = {}
        if settings.seed is not None and self.calls:
            update["seed"] = int(np.random.SeedSequence([settings.seed, len(self.calls)]).generate_state(1)[0])
        if settings.time_limit is not None:
            improving = _IMPROVING_SHARE if self.relaxation.improved else 0.0
            share = _NATIVE_SHARE if self._priced_too and not self.relaxation.relaxed else 1.0 / calls_left
            update["time_limit"] = share * max((1.0 - improving) * settings.time_limit - elapsed, 1e-3)
        return settings.model_copy(update=update)

    def _relax_what_was_kept(self) -> bool:
        """Relax native constraints if a local backend found no feasible state, or if some are quadratic inequalities.

        Constraints of a remote service are not relaxed, since further calls would cost money.

        Returns:
            True if the constraints were native before and are relaxed now.
        """
        able, problem = self.backend.capabilities, self.posed
        answered = self.pool.answer is not None and not problem.violations(self._sample(self.pool.answer))
        relaxable = problem.constraint_kinds - {ConstraintKind.ONE_HOT, ConstraintKind.QUADRATIC_EQUALITY}
        if self.relaxation.relaxed or able.remote or problem.low_rank is not None or not relaxable:
            return False
        if not self._priced_too and answered:
            return False
        able = replace(able, native_constraints=able.native_constraints & {ConstraintKind.ONE_HOT})
        now = time.perf_counter()
        deadline = now + _LOCAL_SHARE * max(self.started + self.limit - now, 0.0)
        self.relaxation = RelaxedProblem(self.problem, able, deadline, self.presolve, self.inequalities)
        return True

    def _sample(self, candidate: Candidate) -> dict[Any, int]:
        return dict(zip(self.problem.variables, candidate.x.tolist(), strict=True))

    def solution(self) -> Solution[T]:
        """Return the best of all answers."""
        pool, problem = self.pool, self.problem
        assert self._sampleset is not None
        samples = [self._sample(each) for each in (pool.best, *pool.kept[1:])]
        decoded: list[Decoded[T]] = [problem.decode(samples[0])]
        try:
            decoded += map(problem.decode, samples[1:])
        except KeyboardInterrupt:
            self.interrupted = True
        return Solution(
            best=decoded[0],
            candidates=tuple(decoded),
            sample=samples[0],
            repaired=pool.best.repaired,
            sampleset=self._sampleset if pool.best.sampleset is None else pool.best.sampleset,
            backend=self.backend.name,
            seed=self.settings.seed,
            calls=tuple(self.calls),
            interrupted=self.interrupted,
            failed=self.failed,
            seconds=time.perf_counter() - self.started,
            convert=problem.native,
        )


@checked
def check_solvable(problem: Problem[Any], backend: Backend) -> None:
    """Refuse a low-rank objective that the backend does not take, since it can be neither relaxed nor expanded.

    Raises:
        UnsupportedProblemError: the backend cannot take the problem; the text gives the reason.

    Example:
        >>> from qubo_dnn.registry import get_backend, get_formulation
        >>> check_solvable(get_formulation("max-cut").example(0).compile(), get_backend("tabu"))
    """
    able = backend.capabilities
    if problem.low_rank is None or able.supports(problem):
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

"""How far an answer is from the optimum, at most: the best lower bound that can be proven within a time.

Every bound is raised to the next energy that is attainable, where the biases show which ones are, see
`qubo_dnn.bounds.steps`.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sized
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from qubo_dnn.arguments import checked
from qubo_dnn.backend import PROGRESS, Backend, ConstrainedBackend, check_model, make_options
from qubo_dnn.bounds import factored
from qubo_dnn.bounds.convexify import tightening
from qubo_dnn.bounds.prices import climb, local_prices, priced
from qubo_dnn.bounds.quick import field_bound, impossible, roof_bound
from qubo_dnn.bounds.relaxation import ConvexRelaxation
from qubo_dnn.bounds.site_model import site_model
from qubo_dnn.bounds.steps import steps_of
from qubo_dnn.bounds.tree import Tree, search
from qubo_dnn.constraints.enumeration import enumerated_optimum
from qubo_dnn.constraints.linearize import linearized
from qubo_dnn.errors import (
    BackendFailedError,
    BackendUnavailableError,
    OptionError,
    UnknownBackendError,
    UnsupportedProblemError,
)
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend

EXACT = "exact-milp"
"""The backend that is asked where the bounds of this package leave a gap, if it is installed."""
ENUMERATION = "enumeration"
# Options beyond which dense matrices of all pairs are not written out: half a dozen of them take 2 GiB.
_MOST_OPTIONS = 6000
# Options beyond which a tree of relaxations has no hope.
_MOST_IN_TREE = 1500
# Interactions for every option up to which `EXACT` is asked first: on sparse problems it proves more than relaxations.
_SPARSE = 4.0
# Of the time left, what the first of these two may take, and the first prices of constraints.
_FIRST_SHARE, _PRICES_SHARE = 0.5, 0.1
_RELAXATION = "convex relaxation"
# Steps on a factor in which its bound may rise by less than this share of the gap.
_STALLED, _PATIENCE = 1e-3, 30
_LOG = logging.getLogger(f"{PROGRESS}.certify")


@dataclass(frozen=True)
class Certificate:
    """What is proven about an answer.

    Attributes:
        bound: no feasible state has a lower energy, in the unit of the problem's objective, to be minimised; minus
            infinity if nothing could be proven, infinity if there is no feasible state.
        gap: `(energy - bound) / |energy|`. Exactly 0.0 if and only if the answer is proven to be optimal: its energy is
            above the bound by no more than `tolerance`. None where there is no such figure: the answer is infeasible,
            nothing is proven, or the energy is 0 and the bound is not.
        method: what gave the bound, and constraints that it left out.
        seconds: wall-clock seconds that proving took.
        tolerance: energies that differ by no more are equal, see `qubo_dnn.bounds.steps.Steps`.
    """

    bound: float
    gap: float | None
    method: str
    seconds: float
    tolerance: float

    @property
    def optimal(self) -> bool:
        """Whether the answer is proven to be optimal."""
        return self.gap == 0.0

    @property
    def infeasible(self) -> bool:
        """Whether it is proven that no state is feasible."""
        return self.bound == math.inf

    def figures(self, problem: Problem[Any]) -> dict[str, Any]:
        """As plain data, the bound in the problem's own sense; None for one that is not finite."""
        return {
            "optimal": self.optimal,
            "infeasible": self.infeasible,
            "bound": problem.in_own_sense(self.bound) if math.isfinite(self.bound) else None,
            "gap": self.gap,
            "method": self.method,
            "seconds": self.seconds,
        }

    def gap_of(self, energy: float) -> float | None:
        """The gap of another answer to the same problem; see `gap`."""
        return relative_gap(energy, self.bound, self.tolerance)


def relative_gap(energy: float, bound: float, tolerance: float) -> float | None:
    """See `Certificate.gap`; of a feasible answer."""
    if not (math.isfinite(energy) and math.isfinite(bound)):
        return None
    if energy - bound <= tolerance:
        return 0.0
    return (energy - bound) / abs(energy) if energy else None


@checked
def certify(problem: Problem[Any], energy: float | None, time_limit: float, seed: int = 0) -> Certificate:
    """Prove how low the energy of any feasible state can be, and so how good an answer is.

    The methods, in turn, until the gap is closed or the time is over: enumeration of few states; single constraints
    that no state keeps; bounds of single fields; roof duality; the convex relaxation, with quadratic constraints at
    their prices; branch and bound on it; the backend `exact-milp`, which comes before the relaxation where interactions
    are few. Ctrl-C ends this early, as the time does; what was proven until then holds.

    Args:
        problem: any.
        energy: of the answer, as `problem.objective` and the low-rank form give it, to be minimised; None for an
            infeasible answer.
        time_limit: wall-clock seconds; a single step of a large problem can take longer.
        seed: of whatever is random.

    Raises:
        OptionError: the time limit is not greater than 0.
    """
    check_time(time_limit)
    proof = _Proof(problem, math.inf if energy is None else energy, time_limit, seed)
    with suppress(KeyboardInterrupt):
        proof.run()
    return Certificate(
        bound=proof.bound,
        gap=None if energy is None else relative_gap(energy, proof.bound, proof.steps.tolerance),
        method=proof.method,
        seconds=time.perf_counter() - proof.started,
        tolerance=proof.steps.tolerance,
    )


@checked
def enumerated(problem: Problem[Any], energy: float | None) -> Certificate | None:
    """The certificate of an answer to a problem so small that all its states can be listed at once, else None.

    Args:
        problem: any.
        energy: see `certify`.
    """
    started = time.perf_counter()
    optimum = enumerated_optimum(problem)
    if optimum is None:
        return None
    steps = steps_of(problem)
    bound = steps.raised(optimum - steps.rounding)
    gap = None if energy is None else relative_gap(energy, bound, steps.tolerance)
    return Certificate(bound, gap, ENUMERATION, time.perf_counter() - started, steps.tolerance)


@checked
def check_time(time_limit: float) -> None:
    """Refuse a time to certify within that is none.

    Raises:
        OptionError: it is not greater than 0.
    """
    if not 0.0 < time_limit < math.inf:
        raise OptionError(f"the time to certify must be a number of seconds > 0, not {time_limit}")


class _Proof:
    """The best bound so far."""

    def __init__(self, problem: Problem[Any], energy: float, time_limit: float, seed: int) -> None:
        self.problem, self.energy, self.seed = problem, energy, seed
        self.steps = steps_of(problem)
        self.bound, self.method = -math.inf, "none"
        # Whether the bound is the optimum, as far as the arithmetic of what proved it allows.
        self.settled = False
        self.started = time.perf_counter()
        self.deadline = self.started + time_limit

    def run(self) -> None:
        """All methods, as far as they are needed."""
        listed = enumerated(self.problem, None)
        if listed is not None:
            self.raise_to(listed.bound, listed.method)
            return
        if impossible(self.problem):
            self.raise_to(math.inf, "single constraints")
            return
        self.raise_to(field_bound(self.problem), "single fields", self.problem.constraints)
        roof = roof_bound(self.problem)
        if roof is not None:
            self.raise_to(roof, "roof duality", self.problem.constraints)
        sparse = self.problem.objective.num_interactions <= _SPARSE * self.size and self.problem.low_rank is None
        first, second = (self.ask, self.relax) if sparse else (self.relax, self.ask)
        if not self.finished:
            first(_FIRST_SHARE if available() else 1.0)
        if not self.finished:
            second(1.0)

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.deadline - time.perf_counter()

    @property
    def size(self) -> int:
        """How many options there are: every free variable has two."""
        variables = len(self.problem.variables)
        return 2 * variables - sum(map(len, self.problem.one_hot.values()))

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to prove, or no time."""
        closed = self.settled or self.bound == math.inf or self.energy - self.bound <= self.steps.tolerance
        return closed or self.left <= 0.0

    def raise_to(self, bound: float, method: str, dropped: Sized = (), priced: int = 0) -> None:
        """Take a bound, raised to what is attainable, if it is the best; constraints were left out, and priced."""
        bound = self.steps.raised(bound)
        if bound > self.bound:
            self.bound, self.method = bound, method
            for preposition, count in (("without", len(dropped)), ("with a price on", priced)):
                if count:
                    self.method += f", {preposition} {count} constraint{'s' if count > 1 else ''}"
            _LOG.debug("bound %.6g by %s", bound, self.method)

    def relax(self, share: float) -> None:
        """The convex relaxation, and branch and bound on it for a share of the time left."""
        if self.size > _MOST_OPTIONS:
            if self.problem.low_rank is not None:
                self.follow_factor()
            return
        prices = {}
        if self.problem.low_rank is None:
            prices = local_prices(self.problem, time.perf_counter() + _PRICES_SHARE * self.left)
        found: list[ConvexRelaxation] = []

        def bound_at(prices: Mapping[str, float]) -> float:
            best = None if self.finished else self.tightest(priced(self.problem, prices))
            found.extend([] if best is None else [best])
            return -math.inf if best is None else best.bound.value

        climb(prices, bound_at) if prices else bound_at({})
        if not found or self.finished or self.size > _MOST_IN_TREE:
            return
        best = max(found, key=lambda each: each.bound.value)
        until = time.perf_counter() + share * self.left

        def heard(tree: Tree) -> None:
            self.raise_to(tree.bound, f"branch and bound on the {_RELAXATION}", best.options.dropped, len(prices))

        def over() -> bool:
            return self.finished or time.perf_counter() >= until

        heard(search(best, self.energy, self.steps.enough, over, heard))
        self.settled = not over() and not prices and not best.options.dropped

    def tightest(self, problem: Problem[Any]) -> ConvexRelaxation | None:
        """The convex relaxation that proves most of a problem whose states' energies are no higher."""
        options = site_model(problem)
        best: ConvexRelaxation | None = None
        priced = len(self.problem.constraints) - len(problem.constraints)
        for relaxation in tightening(options, lambda: self.finished, self.energy):
            self.raise_to(relaxation.bound.value, _RELAXATION, options.dropped, priced)
            if best is None or relaxation.bound.value > best.bound.value:
                best = relaxation
        return best

    def follow_factor(self) -> None:
        """The convex relaxation of the low-rank form, until it does not rise any more."""
        dropped = [each for each in self.problem.constraints.values() if not each.is_linear]
        best, since = -math.inf, 0
        for bound in factored.bounds(self.problem, lambda: self.finished):
            self.raise_to(bound, "convex relaxation of the factor", dropped)
            room = self.energy - best if math.isfinite(self.energy) else abs(best)
            since = 0 if bound - best > _STALLED * room else since + 1
            best = max(best, bound)
            if since >= _PATIENCE:
                return

    def ask(self, share: float) -> None:
        """Ask the backend that proves bounds, if there is one, for a share of the time left."""
        backend = available()
        if backend is None:
            return
        problem = linearized(self.problem)
        options = make_options(backend, {"time_limit": max(share * self.left, 1e-3), "seed": self.seed})
        with suppress(UnsupportedProblemError, BackendFailedError):
            if isinstance(backend, ConstrainedBackend) and backend.capabilities.supports(problem):
                info = backend.sample_constrained(problem, options).info
            elif not problem.constraint_kinds:
                check_model(backend, problem.objective)
                info = backend.sample(problem.objective, options).info
            else:
                return
            self.raise_to(float(info["bound"]), EXACT)
            self.settled = bool(info.get("optimal", False))


def available() -> Backend | None:
    """The backend `EXACT`, or None where it or its solver is not installed."""
    try:
        return get_backend(EXACT)
    except (UnknownBackendError, BackendUnavailableError):
        return None

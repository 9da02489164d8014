"""Certificates for answers: the best lower bound that can be proven within a time limit, and the gap to the answer.

If the biases show which energies are attainable, every bound is raised to the next attainable energy, see
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

from qubo_dnn.backend import PROGRESS, Backend, ConstrainedBackend, check_model, make_options
from qubo_dnn.bounds import factored
from qubo_dnn.bounds.convexify import tightening
from qubo_dnn.bounds.prices import climb, local_prices, priced
from qubo_dnn.bounds.quick import field_bound, impossible, roof_bound
from qubo_dnn.bounds.relaxation import ConvexRelaxation
from qubo_dnn.bounds.site_model import site_model
from qubo_dnn.bounds.steps import steps_of
from qubo_dnn.bounds.tree import Tree, search
from qubo_dnn.bounds.without import without_eliminated
from qubo_dnn.constraints.enumeration import enumerated_optimum
from qubo_dnn.constraints.linearize import linearized
from qubo_dnn.constraints.separable import is_separable, packed
from qubo_dnn.errors import (
    BackendFailedError,
    BackendUnavailableError,
    OptionError,
    UnknownBackendError,
    UnsupportedProblemError,
)
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.support.arguments import checked

EXACT = "exact-milp"
"""Name of the backend that is called if the bounds of this package leave a gap and it is installed."""
ENUMERATION, ELIMINATION, REDUCED_COSTS = "enumeration", "elimination", "reduced costs"
# Largest number of options for dense matrices of all pairs: half a dozen of them take 2 GiB.
_MOST_OPTIONS = 6000
# Largest number of options for branch and bound on relaxations.
_MOST_IN_TREE = 1500
# Largest number of interactions per option at which `EXACT` comes first: it is better on sparse problems.
_SPARSE = 4.0
# Shares of the time left for the first of these two methods, for the first prices of constraints, and for elimination.
_FIRST_SHARE, _PRICES_SHARE, _ELIMINATION_SHARE = 0.5, 0.1, 0.5
_RELAXATION = "convex relaxation"
# Steps on a factor end after this many with a rise below this share of the gap.
_STALLED, _PATIENCE = 1e-3, 30
_LOG = logging.getLogger(f"{PROGRESS}.certify")


@dataclass(frozen=True)
class Certificate:
    """A proven bound, and the gap between it and an answer.

    Attributes:
        bound: no feasible state has a lower energy, in the unit of `Problem.objective`, to be minimised. Minus infinity
            if nothing is proven, infinity if no state is feasible.
        gap: `(energy - bound) / |energy|`. Exactly 0.0 if and only if the answer is proven to be optimal: its energy
            exceeds the bound by at most `tolerance`. None if the gap is undefined: the answer is infeasible, nothing is
            proven, or the energy is 0 and the bound is not.
        method: method that gave the bound, and the number of constraints that it ignored.
        seconds: wall-clock seconds of the proof.
        tolerance: energies with at most this difference are equal, see `qubo_dnn.bounds.steps.Steps`.

    Example:
        >>> certificate = Certificate(bound=-11.0, gap=0.1, method="roof duality", seconds=0.2, tolerance=0.5)
        >>> certificate.optimal, certificate.gap_of(-10.8)
        (False, 0.0)
    """

    bound: float
    gap: float | None
    method: str
    seconds: float
    tolerance: float

    @property
    def optimal(self) -> bool:
        """True if the answer is proven to be optimal."""
        return self.gap == 0.0

    @property
    def infeasible(self) -> bool:
        """True if it is proven that no state is feasible."""
        return self.bound == math.inf

    def figures(self, problem: Problem[Any]) -> dict[str, Any]:
        """Return the figures as plain data, with the bound in the problem's sense, or None if it is not finite."""
        return {
            "optimal": self.optimal,
            "infeasible": self.infeasible,
            "bound": problem.in_own_sense(self.bound) if math.isfinite(self.bound) else None,
            "gap": self.gap,
            "method": self.method,
            "seconds": self.seconds,
        }

    def gap_of(self, energy: float) -> float | None:
        """Return the gap of another feasible answer to the same problem; see `gap`."""
        return relative_gap(energy, self.bound, self.tolerance)


def relative_gap(energy: float, bound: float, tolerance: float) -> float | None:
    """Return the gap of a feasible answer, as in `Certificate.gap`.

    Example:
        >>> relative_gap(energy=-10.0, bound=-11.0, tolerance=0.5)
        0.1
    """
    if not (math.isfinite(energy) and math.isfinite(bound)):
        return None
    if energy - bound <= tolerance:
        return 0.0
    return (energy - bound) / abs(energy) if energy else None


@checked
def certify(problem: Problem[Any], energy: float | None, time_limit: float, seed: int = 0) -> Certificate:
    """Prove a lower bound on the energy of all feasible states, and so the largest gap of an answer.

    The methods follow one another until the gap is closed or the time is over: enumeration of few states; single
    constraints that no state keeps; elimination of variables, which proves the optimum if the treewidth is low; bounds
    of single fields; reduced costs, if the problem is separable; roof duality; the convex relaxation, with prices for
    quadratic constraints; branch and bound on it; the backend `exact-milp`, which comes before the relaxation if the
    problem is sparse. Like the time limit, Ctrl-C ends the proof early; the bound so far holds.

    Args:
        problem: any problem.
        energy: energy of the answer, `problem.objective` plus the low-rank form, to be minimised; None for an
            infeasible answer.
        time_limit: time limit in wall-clock seconds; a single step of a large problem can exceed it.
        seed: random seed.

    Raises:
        OptionError: the time limit is not greater than 0.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> certificate = certify(knapsack, energy=-5.0, time_limit=1.0)
        >>> certificate.optimal, certificate.figures(knapsack)["bound"]
        (True, 5.0)
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
    """Return the certificate of an answer by enumeration, or None if the problem has too many states.

    Args:
        problem: any problem.
        energy: see `certify`.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> enumerated(knapsack, energy=-4.0).gap
        0.25
    """
    started = time.perf_counter()
    optimum = enumerated_optimum(problem)
    if optimum is None:
        return None
    bound = optimum - steps_of(problem).rounding
    return proven(problem, energy, bound, ENUMERATION, time.perf_counter() - started)


def proven(problem: Problem[Any], energy: float | None, bound: float, method: str, seconds: float) -> Certificate:
    """Return the certificate of an answer by a bound that is known already.

    Args:
        problem: any problem.
        energy: see `certify`.
        bound: no feasible state has a lower energy.
        method: method that gave the bound.
        seconds: wall-clock seconds of the proof.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> proven(knapsack, energy=-5.0, bound=-5.7, method="prices", seconds=0.0).optimal
        True
    """
    steps = steps_of(problem)
    raised = steps.raised(bound)
    gap = None if energy is None else relative_gap(energy, raised, steps.tolerance)
    return Certificate(raised, gap, method, seconds, steps.tolerance)


@checked
def check_time(time_limit: float) -> None:
    """Check a time limit of `certify`.

    Raises:
        OptionError: the time limit is not a finite number greater than 0.

    Example:
        >>> check_time(-1.0)
        Traceback (most recent call last):
        qubo_dnn.errors.OptionError: the time to certify must be a number of seconds > 0, not -1.0
    """
    if not 0.0 < time_limit < math.inf:
        raise OptionError(f"the time to certify must be a number of seconds > 0, not {time_limit}")


class _Proof:
    """The best bound so far."""

    def __init__(self, problem: Problem[Any], energy: float, time_limit: float, seed: int) -> None:
        self.problem, self.energy, self.seed = problem, energy, seed
        self.steps = steps_of(problem)
        self.bound, self.method = -math.inf, "none"
        # True if the bound is the optimum, up to the arithmetic of its method.
        self.settled = False
        # Upper bound on the rounding errors of `problem`, after the elimination of variables.
        self.rounding = 0.0
        self.started = time.perf_counter()
        self.deadline = self.started + time_limit

    def run(self) -> None:
        """Apply the methods one after another until the proof is finished."""
        listed = enumerated(self.problem, None)
        if listed is not None:
            self.raise_to(listed.bound, listed.method)
            return
        if impossible(self.problem):
            self.raise_to(math.inf, "single constraints")
            return
        self.eliminate()
        if self.finished:
            return
        self.raise_to(field_bound(self.problem), "single fields", self.problem.constraints)
        posed = self.problem.without_constants()
        if not self.finished and is_separable(posed):
            found, _ = packed(posed)
            self.raise_to(found.bound, REDUCED_COSTS)
            self.settled = found.optimal
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
        """Number of options; every free variable has two."""
        variables = len(self.problem.variables)
        return 2 * variables - sum(map(len, self.problem.one_hot.values()))

    @property
    def finished(self) -> bool:
        """True if the gap is closed or the time is over."""
        closed = self.settled or self.bound == math.inf or self.energy - self.bound <= self.steps.tolerance
        return closed or self.left <= 0.0

    def raise_to(self, bound: float, method: str, dropped: Sized = (), priced: int = 0) -> None:
        """Keep a bound, raised to an attainable energy, if it is the best; name dropped and priced constraints."""
        bound = self.steps.raised(bound - self.rounding)
        if bound > self.bound:
            self.bound, self.method = bound, method
            for preposition, count in (("without", len(dropped)), ("with a price on", priced)):
                if count:
                    self.method += f", {preposition} {count} constraint{'s' if count > 1 else ''}"
            _LOG.debug("bound %.6g by %s", bound, self.method)

    def prolong(self, seconds: float) -> None:
        """Move the deadline."""
        self.deadline += seconds

    def eliminate(self) -> None:
        """Eliminate variables: all of them, which gives the optimum without constraints, or some if there are none."""
        found = without_eliminated(self.problem, _ELIMINATION_SHARE * self.left, self.prolong)
        if found is None:
            return
        left, rounding = found
        if left.variables:
            self.problem, self.rounding = left, rounding
        else:
            self.raise_to(float(left.objective.offset) - rounding, ELIMINATION, self.problem.constraints)
            self.settled = not self.problem.constraints

    def relax(self, share: float) -> None:
        """Apply the convex relaxation, then branch and bound on it for a share of the time left."""
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

        def enough(energy: float) -> float:
            # Twice, since what is left after the subtraction is rounded too.
            return self.steps.enough(energy) + 2.0 * self.rounding

        heard(search(best, self.energy, enough, over, heard))
        self.settled = not over() and not prices and not best.options.dropped

    def tightest(self, problem: Problem[Any]) -> ConvexRelaxation | None:
        """Return the convex relaxation with the highest bound; the energies of `problem` are lower or equal."""
        options = site_model(problem)
        best: ConvexRelaxation | None = None
        priced = len(self.problem.constraints) - len(problem.constraints)
        for relaxation in tightening(options, lambda: self.finished, self.energy):
            self.raise_to(relaxation.bound.value, _RELAXATION, options.dropped, priced)
            if best is None or relaxation.bound.value > best.bound.value:
                best = relaxation
        return best

    def follow_factor(self) -> None:
        """Apply the convex relaxation of the low-rank form until its bound stops rising."""
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
        """Call the backend that proves bounds, if installed, for a share of the time left."""
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
    """Return the backend `EXACT`, or None if it or its solver is not installed.

    Example:
        >>> backend = available()
        >>> backend is None or backend.capabilities.bounds
        True
    """
    try:
        return get_backend(EXACT)
    except (UnknownBackendError, BackendUnavailableError):
        return None

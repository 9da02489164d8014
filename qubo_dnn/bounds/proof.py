"""The methods of a certificate, one after another, and the best bound so far."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sized
from contextlib import suppress
from typing import Any

from qubo_dnn.backend import PROGRESS, Backend, ConstrainedBackend, check_model, make_options
from qubo_dnn.bounds import cut_tree, factored, tree
from qubo_dnn.bounds.convexify import tightening
from qubo_dnn.bounds.prices import climb, local_prices, priced
from qubo_dnn.bounds.quick import field_bound, impossible, roof_bound
from qubo_dnn.bounds.relaxation import ConvexRelaxation
from qubo_dnn.bounds.site_model import site_model
from qubo_dnn.bounds.spin_model import spin_model
from qubo_dnn.bounds.steps import steps_of
from qubo_dnn.bounds.without import without_eliminated
from qubo_dnn.constraints.enumeration import enumerated_optimum
from qubo_dnn.constraints.linearize import linearized
from qubo_dnn.constraints.separable import is_separable, packed
from qubo_dnn.errors import (
    BackendFailedError,
    BackendUnavailableError,
    UnknownBackendError,
    UnsupportedProblemError,
)
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend

EXACT = "exact-milp"
"""Name of the backend that is called if the bounds of this package leave a gap and it is installed."""
ENUMERATION, ELIMINATION, REDUCED_COSTS = "enumeration", "elimination", "reduced costs"
CUT_RELAXATION = "branch and bound on the semidefinite relaxation with triangle inequalities"
# Largest number of options for dense matrices of all pairs: half a dozen of them take 2 GiB.
_MOST_OPTIONS = 6000
# Largest number of options for branch and bound on convex relaxations.
_MOST_IN_TREE = 1500
# Largest number of interactions per option at which `EXACT` comes first: it is better on sparse problems.
_SPARSE = 4.0
# Shares of the time left for the first of two methods, for the first prices of constraints, and for elimination.
_FIRST_SHARE, _PRICES_SHARE, _ELIMINATION_SHARE = 0.5, 0.1, 0.5
_RELAXATION = "convex relaxation"
# Steps on a factor end after this many with a rise below this share of the gap.
_STALLED, _PATIENCE = 1e-3, 30
_LOG = logging.getLogger(f"{PROGRESS}.certify")


class Proof:
    """The best bound so far.

    Args:
        problem: any problem.
        energy: energy of a feasible state, or infinity.
        time_limit: time limit in wall-clock seconds.
        seed: random seed.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> proof = Proof(knapsack, energy=-5.0, time_limit=1.0, seed=0)
        >>> proof.run()
        >>> proof.bound, proof.method
        (-5.0, 'enumeration')
    """

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
        listed = enumerated_optimum(self.problem)
        if listed is not None:
            self.raise_to(listed - self.steps.rounding, ENUMERATION)
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
        for method, share in self.methods:
            if not self.finished:
                method(share)

    @property
    def methods(self) -> list[tuple[Callable[[float], None], float]]:
        """The methods that take time, each with its share of the time left."""
        first_share = _FIRST_SHARE if available() else 1.0
        if cut_tree.is_cut(self.problem):
            first = [(self.ask, first_share)] if available() and cut_tree.is_sparse(self.problem) else []
            return [*first, (self.cut, 1.0)]
        sparse = self.problem.objective.num_interactions <= _SPARSE * self.size and self.problem.low_rank is None
        one, other = (self.ask, self.relax) if sparse else (self.relax, self.ask)
        return [(one, first_share), (other, 1.0)]

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

    def enough(self, energy: float) -> float:
        """Return the smallest bound of a method that proves an energy to be optimal."""
        # Twice, since what is left after the subtraction is rounded too.
        return self.steps.enough(energy) + 2.0 * self.rounding

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

    def cut(self, share: float) -> None:
        """Apply branch and bound on the semidefinite relaxation with triangle inequalities, for a share of the time."""
        until = time.perf_counter() + share * self.left

        def heard(found: cut_tree.CutTree) -> None:
            self.raise_to(found.bound, CUT_RELAXATION)

        def over() -> bool:
            return self.finished or time.perf_counter() >= until

        heard(cut_tree.search(*spin_model(self.problem), self.energy, self.enough, over, heard, self.seed))
        self.settled = not over()

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

        def heard(found: tree.Tree) -> None:
            self.raise_to(found.bound, f"branch and bound on the {_RELAXATION}", best.options.dropped, len(prices))

        def over() -> bool:
            return self.finished or time.perf_counter() >= until

        heard(tree.search(best, self.energy, self.enough, over, heard))
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

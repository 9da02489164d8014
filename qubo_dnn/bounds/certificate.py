"""Certificates for answers: the best lower bound that can be proven within a time limit, and the gap to the answer.

If the biases show which energies are attainable, every bound is raised to the next attainable energy, see
`qubo_dnn.bounds.steps`.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from qubo_dnn.bounds.proof import ENUMERATION, Proof
from qubo_dnn.bounds.steps import steps_of
from qubo_dnn.constraints.enumeration import enumerated_optimum
from qubo_dnn.errors import OptionError
from qubo_dnn.problem import Problem
from qubo_dnn.support.arguments import checked


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
    of single fields; reduced costs, if the problem is separable; roof duality. Without constraints, groups and a
    low-rank form, branch and bound on the semidefinite relaxation with triangle inequalities is next; otherwise the
    convex relaxation, with prices for quadratic constraints, and branch and bound on it. The backend `exact-milp` comes
    last, or first for a part of the time if the problem is sparse. Like the time limit, Ctrl-C ends the proof early;
    the bound so far holds.

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
    proof = Proof(problem, math.inf if energy is None else energy, time_limit, seed)
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

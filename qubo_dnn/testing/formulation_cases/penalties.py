"""Cases of the formulation kit for penalties: those that are sufficient keep the optimum."""

from __future__ import annotations

from typing import Any

import numpy as np

from qubo_dnn.formulation import Formulation
from qubo_dnn.testing.common import NotApplicable, expect
from qubo_dnn.testing.formulation_cases.enumeration import RELATIVE_TOLERANCE, feasible_states, instances


def sufficient_penalties_keep_the_optimum(cls: type[Formulation[Any]]) -> None:
    """With penalties above the range of the objective, the ground state of the BQM is the best state of the groups.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> sufficient_penalties_keep_the_optimum(get_formulation("number-partitioning"))
        Traceback (most recent call last):
        qubo_dnn.testing.common.NotApplicable: the problem has no one-hot group
    """
    for instance in instances(cls):
        problem = instance.problem.relaxed(instance.problem.objective)
        if not problem.one_hot:
            raise NotApplicable("the problem has no one-hot group")
        # The objective varies by at most `scale`, and a broken group costs at least its penalty.
        energies = instance.energies(problem.bqm(dict.fromkeys(problem.one_hot, 1.0 + instance.scale)))
        feasible = feasible_states(problem, instance.states)
        best = instance.energies(problem.objective)[feasible].min()
        # Rounding errors are relative to the penalty terms; every group has at most n^2 of them.
        tolerance = RELATIVE_TOLERANCE * (1.0 + instance.scale) * len(problem.variables)
        expect(feasible[energies.argmin()], "the ground state of the penalised BQM breaks a one-hot group")
        expect(abs(energies.min() - best) <= tolerance, f"ground energy {energies.min()}, optimum {best}")


def own_penalties_are_sufficient(cls: type[Formulation[Any]]) -> None:
    """With the penalties of the problem, the energy of every infeasible state is above the optimum.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> own_penalties_are_sufficient(get_formulation("maximum-independent-set"))
    """
    for instance in instances(cls):
        problem = instance.problem
        if not problem.penalties:
            raise NotApplicable("the problem states no sufficient penalties")
        energies = instance.energies(problem.bqm())
        best = instance.energies(problem.objective)[instance.feasible].min()
        tolerance = RELATIVE_TOLERANCE * (instance.scale + sum(problem.penalties.values()))
        lowest = energies[~instance.feasible].min(initial=np.inf)
        expect(lowest > best, f"an infeasible state has the energy {lowest}, the optimum {best}")
        expect(abs(energies.min() - best) <= tolerance, f"ground energy {energies.min()}, optimum {best}")


CASES = (sufficient_penalties_keep_the_optimum, own_penalties_are_sufficient)

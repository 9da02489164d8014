"""Cases of the formulation kit for decoding: objectives, violations, and the constrained model of dimod."""

from __future__ import annotations

from typing import Any

import numpy as np

from qubo_dnn.errors import FormulationError
from qubo_dnn.formulation import Formulation
from qubo_dnn.testing.common import NotApplicable, expect
from qubo_dnn.testing.formulation_cases.enumeration import RELATIVE_TOLERANCE, instances


def cost_equals_decoded_objective(cls: type[Formulation[Any]]) -> None:
    """The objective of a feasible state equals the cost of its answer from the user's data.

    With auxiliary variables, which decoding ignores, the objective is not better than the cost.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> class Edge(get_formulation("max-cut")):
        ...     @classmethod
        ...     def example(cls, seed):
        ...         return cls([(0, 1, 1.0 + seed)])
        >>> cost_equals_decoded_objective(Edge)
    """
    auxiliary = getattr(cls, "auxiliary", False)
    for instance in instances(cls):
        for sample in instance.samples(instance.feasible):
            decoded = instance.problem.decode(sample)
            cost = instance.formulation.cost(decoded.value)
            expect(decoded.feasible, f"feasible state {sample} decodes with violations {dict(decoded.violations)}")
            # Amount by which the objective is better than the cost.
            gain = (cost - decoded.objective) * (-1.0 if instance.problem.sense == "max" else 1.0)
            tolerance = RELATIVE_TOLERANCE * instance.scale
            turned = "the sense is wrong: " if abs(cost + decoded.objective) <= tolerance else ""
            expect(
                (gain if auxiliary else abs(gain)) <= tolerance,
                f"{turned}objective {decoded.objective!r} but cost {cost!r} of {decoded.value!r}, state {sample}",
            )


def infeasible_samples_decode_with_violations(cls: type[Formulation[Any]]) -> None:
    """An infeasible sample can be decoded; the result lists the broken constraints with positive violations.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> class TwoItems(get_formulation("knapsack")):
        ...     @classmethod
        ...     def example(cls, seed):
        ...         return cls(values=[2 + seed, 1], weights=[1, 1], capacity=1)
        >>> infeasible_samples_decode_with_violations(TwoItems)
    """
    if all(instance.feasible.all() for instance in instances(cls)):
        raise NotApplicable("every state is feasible")
    for instance in instances(cls):
        labels = {*instance.problem.one_hot, *instance.problem.constraints}
        for sample in instance.samples(~instance.feasible):
            violations = instance.problem.decode(sample).violations
            expect(violations, f"infeasible state {sample} decodes as feasible")
            expect(labels.issuperset(violations), f"violations name unknown constraints: {dict(violations)}")
            expect(all(amount > 0 for amount in violations.values()), f"not by how much: {dict(violations)}")


def cqm_agrees(cls: type[Formulation[Any]]) -> None:
    """The constrained model of dimod has the same objective and the same violations.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> class Edge(get_formulation("max-cut")):
        ...     @classmethod
        ...     def example(cls, seed):
        ...         return cls([(0, 1, 1.0 + seed)])
        >>> cqm_agrees(Edge)
    """
    for instance in instances(cls):
        cqm = instance.problem.to_cqm()
        for sample in (*instance.samples(instance.feasible), *instance.samples(~instance.feasible)):
            ours, theirs = instance.problem.decode(sample), cqm.violations(sample, skip_satisfied=True)
            expect(
                abs(instance.problem.in_own_sense(cqm.objective.energy(sample)) - ours.objective)
                <= RELATIVE_TOLERANCE * instance.scale,
                f"the CQM has another objective for {sample}",
            )
            same = theirs.keys() == ours.violations.keys() and np.allclose(
                [theirs[label] for label in ours.violations], list(ours.violations.values())
            )
            expect(same, f"violations {dict(ours.violations)}, by the CQM {theirs}, for {sample}")


def missing_variable_is_refused(cls: type[Formulation[Any]]) -> None:
    """A sample that lacks a variable raises `FormulationError`.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> missing_variable_is_refused(get_formulation("number-partitioning"))
    """
    for instance in instances(cls):
        sample = dict.fromkeys(instance.problem.variables[1:], 0)
        try:
            instance.problem.decode(sample)
        except FormulationError:
            continue
        raise AssertionError(f"a sample without {instance.problem.variables[0]!r} was decoded")


CASES = (
    cost_equals_decoded_objective,
    infeasible_samples_decode_with_violations,
    cqm_agrees,
    missing_variable_is_refused,
)

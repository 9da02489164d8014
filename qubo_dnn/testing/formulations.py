"""Conformance kit for formulations: cases that every formulation must pass, on small instances with enumeration.

    from qubo_dnn.testing.formulations import FORMULATION_CASES

    @pytest.mark.parametrize("case", FORMULATION_CASES)
    def test_conformance(case):
        FORMULATION_CASES[case](MyFormulation)

A case raises `AssertionError`, whose text names the fault, if the formulation breaks the contract. It raises
`NotApplicable`, which pytest and unittest report as a skip, if it does not apply to the formulation.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any

import dimod
import numpy as np

from qubo_dnn.errors import FormulationError
from qubo_dnn.formulation import Formulation
from qubo_dnn.problem import Problem, Variable, natural_key
from qubo_dnn.testing.brute_force import feasible_answers_agree, optimum_equals_brute_force
from qubo_dnn.testing.common import NotApplicable, expect
from qubo_dnn.testing.elsewhere import call_elsewhere
from qubo_dnn.testing.enumeration import RELATIVE_TOLERANCE, SEEDS, feasible_states, instances

Case = Callable[[type[Formulation[Any]]], None]


def check_formulation(cls: type[Formulation[Any]]) -> dict[str, str]:
    """Run all cases.

    Args:
        cls: formulation class to check.

    Returns:
        Case that does not apply -> the reason.

    Raises:
        AssertionError: the formulation breaks the contract.

    Example:
        >>> check_formulation(object)
        Traceback (most recent call last):
        AssertionError: name is None, not a word
    """
    not_applicable = {}
    for name, case in FORMULATION_CASES.items():
        try:
            case(cls)
        except NotApplicable as reason:
            not_applicable[name] = str(reason)
    return not_applicable


def describes_itself(cls: type[Formulation[Any]]) -> None:
    """The name is a word for a command line, and the summary is one line.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> describes_itself(get_formulation("number-partitioning"))
    """
    name, summary = getattr(cls, "name", None), getattr(cls, "summary", None)
    expect(isinstance(name, str) and name and name == "".join(name.split()), f"name is {name!r}, not a word")
    expect(isinstance(summary, str) and summary.strip(), f"summary is {summary!r}, not a text")
    expect("\n" not in str(summary), "summary has more than one line")
    for method in ("example", "compile", "cost"):
        expect(callable(getattr(cls, method, None)), f"the method {method!r} is missing")


def example_is_small_and_not_trivial(cls: type[Formulation[Any]]) -> None:
    """Examples can be enumerated and have feasible states with different objectives.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> example_is_small_and_not_trivial(get_formulation("number-partitioning"))
    """
    for instance in instances(cls):
        expect(instance.feasible.any(), "the example has no feasible state")
        values = instance.energies(instance.problem.objective)[instance.feasible]
        expect(float(np.ptp(values)) > RELATIVE_TOLERANCE * instance.scale, "all feasible states cost the same")


def example_is_seeded(cls: type[Formulation[Any]]) -> None:
    """Equal seeds give equal problems, and not all seeds give the same problem.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> example_is_seeded(get_formulation("number-partitioning"))
    """
    first = [cls.example(seed).compile() for seed in SEEDS]
    for seed, problem in zip(SEEDS, first, strict=True):
        _require_equal(problem, cls.example(seed).compile(), f"example({seed}) is a different problem each time")
    same = [
        problem.objective.is_almost_equal(first[0].objective) and problem.constraints == first[0].constraints
        for problem in first
    ]
    expect(not all(same), f"example() gives the same problem for the seeds {list(SEEDS)}: the seed is ignored")


def reproduces_in_another_process(cls: type[Formulation[Any]]) -> None:
    """A new interpreter with other string hashes compiles the same objectives.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> class Edge(get_formulation("max-cut")):
        ...     @classmethod
        ...     def example(cls, seed):
        ...         return cls([(0, 1, 1.0 + seed)])
        >>> reproduces_in_another_process(Edge)
        Traceback (most recent call last):
        qubo_dnn.testing.common.NotApplicable: cannot be sent to another process: ...
    """
    both = zip(_objectives(cls), call_elsewhere(_objectives, cls), strict=True)
    for seed, ((variables, objective), (other_variables, other_objective)) in enumerate(both):
        expect(variables == other_variables, f"seed {seed}: different variables in another process")
        expect(objective == other_objective, f"seed {seed}: different biases in another process")


def compiles_twice_to_the_same(cls: type[Formulation[Any]]) -> None:
    """Compiling does not change the formulation.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> compiles_twice_to_the_same(get_formulation("number-partitioning"))
    """
    for seed in SEEDS:
        formulation = cls.example(seed)
        _require_equal(formulation.compile(), formulation.compile(), "the second compile() gives a different problem")


def variables_are_in_natural_order(cls: type[Formulation[Any]]) -> None:
    """`x[2]` comes before `x[10]`, so that equal seeds give equal answers.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> variables_are_in_natural_order(get_formulation("number-partitioning"))
    """
    for instance in instances(cls):
        variables = list(instance.problem.variables)
        expect(variables == list(instance.problem.objective.variables), "problem and objective differ in variables")
        expect(variables == sorted(variables, key=natural_key), f"not in natural order: {variables}")


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


def objective_can_be_pickled(cls: type[Formulation[Any]]) -> None:
    """The objective can be pickled, so that it can be sent to other processes.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> objective_can_be_pickled(get_formulation("number-partitioning"))
    """
    for instance in instances(cls):
        again = pickle.loads(pickle.dumps(instance.problem.objective))
        expect(again == instance.problem.objective, "the objective changed when it was pickled")


FORMULATION_CASES: Mapping[str, Case] = {
    case.__name__: case
    for case in (
        describes_itself,
        example_is_small_and_not_trivial,
        example_is_seeded,
        reproduces_in_another_process,
        compiles_twice_to_the_same,
        variables_are_in_natural_order,
        cost_equals_decoded_objective,
        infeasible_samples_decode_with_violations,
        sufficient_penalties_keep_the_optimum,
        own_penalties_are_sufficient,
        optimum_equals_brute_force,
        feasible_answers_agree,
        cqm_agrees,
        missing_variable_is_refused,
        objective_can_be_pickled,
    )
}


def _objectives(cls: type[Formulation[Any]]) -> list[tuple[list[Variable], dimod.BinaryQuadraticModel]]:
    """Return the variables and the objective of every example, separately, since pickling sorts the labels of a BQM."""
    objectives = [cls.example(seed).compile().objective for seed in SEEDS]
    return [(list(objective.variables), objective) for objective in objectives]


def _require_equal(one: Problem[Any], other: Problem[Any], message: str) -> None:
    """Fail unless two problems have the same variables in the same order, biases, groups and constraints."""
    expect(one.variables == other.variables, f"{message}: variables {one.variables} and {other.variables}")
    expect(one.objective == other.objective, f"{message}: the objectives differ")
    expect(list(one.one_hot.items()) == list(other.one_hot.items()), f"{message}: the one-hot groups differ")
    expect(list(one.constraints.items()) == list(other.constraints.items()), f"{message}: the constraints differ")
    expect(one.sense == other.sense, f"{message}: the senses differ")
    expect(one.penalties == other.penalties, f"{message}: the sufficient penalties differ")

"""Cases of the formulation kit for compilation: it can be repeated here and in another process."""

from __future__ import annotations

import pickle
from typing import Any

import dimod

from qubo_dnn.formulation import Formulation
from qubo_dnn.problem import Problem, Variable, natural_key
from qubo_dnn.testing.common import expect
from qubo_dnn.testing.elsewhere import call_elsewhere
from qubo_dnn.testing.formulation_cases.enumeration import SEEDS, instances


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


def objective_can_be_pickled(cls: type[Formulation[Any]]) -> None:
    """The objective can be pickled, so that it can be sent to other processes.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> objective_can_be_pickled(get_formulation("number-partitioning"))
    """
    for instance in instances(cls):
        again = pickle.loads(pickle.dumps(instance.problem.objective))
        expect(again == instance.problem.objective, "the objective changed when it was pickled")


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


CASES = (
    example_is_seeded,
    reproduces_in_another_process,
    compiles_twice_to_the_same,
    variables_are_in_natural_order,
    objective_can_be_pickled,
)

"""Cases of the formulation kit that compare feasible and best answers with brute force on the user's problem."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import numpy as np

from qubo_dnn.formulation import Formulation, Verifiable
from qubo_dnn.testing.common import NotApplicable, expect
from qubo_dnn.testing.formulation_cases.enumeration import (
    MAX_VARIABLES,
    RELATIVE_TOLERANCE,
    EnumeratedExample,
    instances,
)


def optimum_equals_brute_force(cls: type[Formulation[Any]]) -> None:
    """The best feasible state decodes to an answer as good as the best answer of the user's problem.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> optimum_equals_brute_force(get_formulation("number-partitioning"))
    """
    for instance in instances(cls):
        formulation, problem = instance.formulation, instance.problem
        if not isinstance(formulation, Verifiable):
            raise NotApplicable("the formulation has no `is_feasible` and `answers`")
        answers = list(formulation.answers())
        expect(answers, "the example has no feasible answer")
        expect(all(map(formulation.is_feasible, answers)), "`answers` gives one that `is_feasible` denies")
        best = {"min": min, "max": max}[problem.sense](map(formulation.cost, answers))
        energies = np.where(instance.feasible, instance.energies(problem.objective), np.inf)
        sample = dict(zip(problem.variables, instance.states[energies.argmin()].tolist(), strict=True))
        cost = formulation.cost(problem.decode(sample).value)
        expect(abs(cost - best) <= RELATIVE_TOLERANCE * instance.scale, f"optimum {cost!r}, by brute force {best!r}")


def feasible_answers_agree(cls: type[Formulation[Any]]) -> None:
    """Feasible states are the user's feasible answers: no constraint is superfluous, and none is missing.

    Without `answers`, the decoded infeasible states serve as answers.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> feasible_answers_agree(get_formulation("number-partitioning"))
    """
    for instance in instances(cls):
        formulation = instance.formulation
        is_feasible = getattr(formulation, "is_feasible", None)
        if not callable(is_feasible):
            raise NotApplicable("the formulation has no `is_feasible`: a constraint too many or too few goes unseen")
        decode = instance.problem.decoder
        feasible = list(instance.samples(instance.feasible, 2**MAX_VARIABLES))
        key = _key if all(_key(decode(s)) == _key(decode(s)) for s in feasible[:1]) else formulation.cost
        reached: set[Hashable] = set()
        for sample in feasible:
            value = decode(sample)
            expect(
                is_feasible(value),
                f"a constraint too few or too weak: the feasible state {sample} decodes to {value!r}, which "
                "`is_feasible` denies",
            )
            reached.add(key(value))
        for value in _answers(instance, is_feasible):
            expect(
                key(value) in reached,
                f"a constraint too many or too tight: no feasible state decodes to {value!r}, which the formulation "
                "calls feasible",
            )


def _answers(instance: EnumeratedExample, is_feasible: Callable[[Any], bool]) -> Iterable[Any]:
    """Return the answers of the formulation, or the feasible ones among the decoded infeasible states."""
    if isinstance(instance.formulation, Verifiable):
        return instance.formulation.answers()
    samples = instance.samples(~instance.feasible, 2**MAX_VARIABLES)
    return filter(is_feasible, map(instance.problem.decoder, samples))


def _key(value: Any) -> Hashable:
    """Return a hashable key that is equal for equal answers, including lists, arrays and dictionaries."""
    if isinstance(value, np.ndarray):
        return _key(value.tolist())
    if isinstance(value, Mapping):
        return frozenset((key, _key(each)) for key, each in value.items())
    if isinstance(value, (set, frozenset)):
        return frozenset(map(_key, value))
    if isinstance(value, (list, tuple)):
        return tuple(map(_key, value))
    return value if isinstance(value, Hashable) else repr(value)


CASES = (optimum_equals_brute_force, feasible_answers_agree)

"""Problems from instances of OMMX, the exchange format of JijModeling, and answers as its sample sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from qubo_dnn.models.programs import Bounded, Program, Relation
from qubo_dnn.problem import Decoded, Problem, Variable

if TYPE_CHECKING:
    from ommx.v1 import Instance, SampleSet

_SENSES: dict[str, Literal["==", "<="]] = {"Equality.EqualToZero": "==", "Equality.LessThanOrEqualToZero": "<="}
# OMMX's constants have texts, but neither names nor hashes.
_KINDS = {
    "Kind.Binary": "binary",
    "Kind.Integer": "integer",
    "Kind.Continuous": "continuous",
    "Kind.SemiInteger": "semi-integer",
    "Kind.SemiContinuous": "semi-continuous",
}


def problem_from_ommx(instance: Instance, integers: str = "binary") -> Problem[dict[Variable, int | float]]:
    """Make a problem from an instance of OMMX, in its sense and with its constraints.

    Args:
        instance: polynomials of any degree over binary variables, of degree two with integers; it is not changed.
        integers: name of the encoding of integers, see `qubo_dnn.encodings.names`.

    Returns:
        A problem whose answers are the values of the decision variables by id, without those that depend on others.
        Constraints have their names and subscripts as labels. Relaxed constraints are left out, as in OMMX.

    Raises:
        UnsupportedProblemError: a variable is continuous and its bounds do not fix it, or semi-continuous, or an
            integer has no bounds, or a product of more than two variables contains an integer.
        FormulationError: the bounds of a variable leave no value.

    Example:
        >>> from ommx.v1 import DecisionVariable, Instance
        >>> x = [DecisionVariable.binary(i) for i in range(2)]
        >>> instance = Instance.from_components(
        ...     decision_variables=x, objective=x[0] + 2 * x[1], constraints=[(sum(x) <= 1).add_name("one")],
        ...     sense=Instance.MAXIMIZE,
        ... )
        >>> problem_from_ommx(instance).decode({0: 1, 1: 1})
        Decoded(value={0: 1, 1: 1}, objective=3.0, violations={'one': 1.0}, soft={})
    """
    analysis = instance.decision_variable_analysis()
    used, dependent = analysis.used_decision_variable_ids(), set(analysis.dependent())
    made = Program(
        library="OMMX instance",
        sense="max" if instance.sense == type(instance).MAXIMIZE else "min",
        variables={
            each.id: _bounded(each, each.id in used) for each in instance.decision_variables if each.id not in dependent
        },
        objective=instance.objective.terms,
        relations=[
            Relation(_label(each), each.function.terms, _SENSES[repr(each.equality)], 0.0)
            for each in instance.constraints
        ],
    )
    return made.problem(integers, OmmxSampleSets(instance))


@dataclass(frozen=True, eq=False)
class OmmxSampleSets:
    """Makes OMMX's sample set of answers.

    Attributes:
        instance: the instance.

    Example:
        >>> from ommx.v1 import DecisionVariable, Instance
        >>> x = DecisionVariable.binary(7)
        >>> instance = Instance.from_components(
        ...     decision_variables=[x], objective=3 * x, constraints=[], sense=Instance.MINIMIZE
        ... )
        >>> OmmxSampleSets(instance)([Decoded({7: 1}, objective=3.0)]).get(0).objective
        3.0
    """

    instance: Any

    def __call__(self, answers: Sequence[Decoded[Any]]) -> SampleSet:
        """Return one sample per answer, with the numbers 0, 1, ... as their ids."""
        states = {number: {v: float(x) for v, x in each.value.items()} for number, each in enumerate(answers)}
        return self.instance.evaluate_samples(states)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the instance as its message, since OMMX cannot pickle it."""
        return _from_bytes, (self.instance.to_bytes(),)


def _from_bytes(content: bytes) -> OmmxSampleSets:
    from ommx.v1 import Instance

    return OmmxSampleSets(Instance.from_bytes(content))


def _bounded(variable: Any, used: bool) -> Bounded:
    """Return a decision variable; one that was substituted or occurs nowhere is fixed."""
    low, high = float(variable.bound.lower), float(variable.bound.upper)
    value = variable.substituted_value
    if value is None and not used:
        value = min(max(0.0, low), high)
    if value is not None:
        low = high = float(value)
    return Bounded(_KINDS[repr(variable.kind)], low, high)


def _label(constraint: Any) -> str:
    if not constraint.name:
        return f"constraint {constraint.id}"
    return str(constraint.name) + (f"[{','.join(map(str, constraint.subscripts))}]" if constraint.subscripts else "")

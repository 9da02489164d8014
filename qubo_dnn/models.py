"""Problems from dimod's models, as files and Ocean code have them: no formulation, samples are their own answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import dimod

from qubo_dnn.constraint import Constraint, check_is_model
from qubo_dnn.encodings.integer import EncodedInteger, IntegerEncoding
from qubo_dnn.encodings.names import integer_encoding
from qubo_dnn.errors import ArgumentError, FormulationError, UnsupportedProblemError
from qubo_dnn.problem import Problem, Sample, Variable

Values = dict[Variable, int]


@dataclass(frozen=True)
class _OwnValues:
    """Decoder of a model's own variables: -1 and 1 where it is SPIN. A class, for closures cannot be pickled."""

    variables: tuple[Variable, ...]
    spin: bool

    def __call__(self, sample: Sample) -> Values:
        return {v: 2 * sample[v] - 1 if self.spin else sample[v] for v in self.variables}


@dataclass(frozen=True)
class _EncodedValues:
    """Decoder of encoded variables."""

    encoded: Mapping[Variable, EncodedInteger]

    def __call__(self, sample: Sample) -> Values:
        return {variable: each.value(sample) for variable, each in self.encoded.items()}


def problem_from_bqm(bqm: dimod.BinaryQuadraticModel, sense: Literal["min", "max"] = "min") -> Problem[Values]:
    """An unconstrained problem.

    Args:
        bqm: of either vartype, in its own sense; not changed.
        sense: whether it is minimised or maximised.

    Returns:
        A problem whose answers are the variables' values, -1 and 1 where the model is SPIN.

    Raises:
        FormulationError: a bias is not finite, or the sense is neither of the two.
        ArgumentError: `bqm` is no binary quadratic model.
    """
    check_is_model(bqm)
    decoder = _OwnValues(tuple(bqm.variables), bqm.vartype is dimod.SPIN)
    return Problem(objective=_minimised(bqm.copy(), sense), decoder=decoder, sense=sense)


def problem_from_cqm(
    cqm: dimod.ConstrainedQuadraticModel, sense: Literal["min", "max"] = "min", integers: str = "binary"
) -> Problem[Values]:
    """A problem with constraints, over binary, spin and bounded integer variables.

    Args:
        cqm: its objective is in its own sense; not changed.
        sense: whether that is minimised or maximised.
        integers: name of the encoding of integers, see `qubo_dnn.encodings.names`.

    Returns:
        A problem whose answers are the values of the model's own variables. Constraints that dimod marks as discrete
        are one-hot groups.

    Raises:
        UnsupportedProblemError: a variable is REAL, or an integer without bounds; a constraint is soft; a product has
            a degree above 2 once integers are encoded.
        FormulationError: a bias is not finite, the sense is neither of the two, or variables would share a name.
        ArgumentError: `cqm` is no constrained quadratic model.
    """
    if not isinstance(cqm, dimod.ConstrainedQuadraticModel):
        raise ArgumentError(
            f"a dimod.ConstrainedQuadraticModel is needed, not an object of the class {type(cqm).__name__}"
        )
    encoding = integer_encoding(integers)
    encoded = {v: _encode(cqm, v, encoding) for v in cqm.variables}
    taken = [name for each in encoded.values() for name in each.coefficients]
    if len(set(taken)) < len(taken):
        raise FormulationError("a variable has the name of one that encodes an integer; relabel it")
    objective = _substituted(cqm.objective, encoded)
    objective.add_linear_from(dict.fromkeys(taken, 0.0))
    one_hot: dict[str, tuple[Variable, ...]] = {}
    constraints: dict[str, Constraint] = {}
    for label, constraint in cqm.constraints.items():
        if constraint.lhs.is_soft():
            raise UnsupportedProblemError(f"the constraint {label!r} is soft; give it its weight in the objective")
        if constraint.lhs.is_discrete():
            one_hot[str(label)] = tuple(constraint.lhs.variables)
        else:
            lhs = _substituted(constraint.lhs, encoded)
            constraints[str(label)] = Constraint(lhs, constraint.sense.value, float(constraint.rhs))
    for variable, each in encoded.items():
        if each.one_hot:
            one_hot[f"values of {variable}"] = each.one_hot
        if each.valid:
            constraints[f"values of {variable}"] = each.valid

    return Problem(
        objective=_minimised(objective, sense),
        decoder=_EncodedValues(encoded),
        one_hot=one_hot,
        constraints=constraints,
        sense=sense,
    )


def _minimised(objective: dimod.BinaryQuadraticModel, sense: str) -> dimod.BinaryQuadraticModel:
    if sense == "max":
        objective.scale(-1.0)
    return objective


def _encode(cqm: dimod.ConstrainedQuadraticModel, variable: Variable, encoding: IntegerEncoding) -> EncodedInteger:
    """The variable as `low + sum of coefficients`; a binary one is itself."""
    vartype = cqm.vartype(variable)
    if vartype is dimod.BINARY:
        return EncodedInteger(0, {variable: 1})
    if vartype is dimod.SPIN:
        return EncodedInteger(-1, {variable: 2})
    low, high = cqm.lower_bound(variable), cqm.upper_bound(variable)
    if vartype is not dimod.INTEGER:
        raise UnsupportedProblemError(f"the variable {variable!r} is {vartype.name}, neither binary nor integer")
    if high >= dimod.vartype_info(dimod.INTEGER).max or low <= dimod.vartype_info(dimod.INTEGER).min:
        raise UnsupportedProblemError(f"the integer variable {variable!r} has no bounds; give it some")
    return encoding(str(variable), int(low), int(high))


def _substituted(model: dimod.QuadraticModel, encoded: Mapping[Variable, EncodedInteger]) -> dimod.BinaryQuadraticModel:
    """`model` over the encoding variables."""
    found = dimod.BinaryQuadraticModel(dimod.BINARY)
    found.offset = float(model.offset)
    for variable, bias in model.linear.items():
        found.offset += bias * encoded[variable].low
        found.add_linear_from({v: bias * weight for v, weight in encoded[variable].coefficients.items()})
    for (one, other), bias in model.quadratic.items():
        u, v = encoded[one], encoded[other]
        found.offset += bias * u.low * v.low
        found.add_linear_from({name: bias * weight * v.low for name, weight in u.coefficients.items()})
        found.add_linear_from({name: bias * weight * u.low for name, weight in v.coefficients.items()})
        for first, weight in u.coefficients.items():
            for second, factor in v.coefficients.items():
                if first == second:
                    found.add_linear(first, bias * weight * factor)
                else:
                    found.add_quadratic(first, second, bias * weight * factor)
    return found

"""Problems from dimod models, as in files and Ocean code. Answers are values of the model's variables."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import dimod

from qubo_dnn.auxiliary import Auxiliary
from qubo_dnn.backend import PROGRESS
from qubo_dnn.constraint import Constraint, SoftConstraint
from qubo_dnn.constraints.exact_products import with_exact_products
from qubo_dnn.encodings.integer import LARGEST, EncodedInteger, IntegerEncoding
from qubo_dnn.encodings.names import integer_encoding
from qubo_dnn.encodings.ranges import integer_ranges
from qubo_dnn.errors import FormulationError, UnsupportedProblemError
from qubo_dnn.models.sample_sets import ConstrainedSampleSets, SampleSets
from qubo_dnn.models.soft_constraints import price_of
from qubo_dnn.models.values import Values
from qubo_dnn.problem import Native, Problem, Variable
from qubo_dnn.support.arguments import checked

_LOG = logging.getLogger(f"{PROGRESS}.models")
_MOST_SAID = 5


@checked
def problem_from_bqm(
    bqm: dimod.BinaryQuadraticModel, sense: Literal["min", "max"] = "min"
) -> Problem[dict[Variable, int | float]]:
    """Make an unconstrained problem from a BQM.

    Args:
        bqm: model of either vartype; it is not changed.
        sense: "min" or "max".

    Returns:
        A problem whose answers are the values of the variables, -1 and 1 for a SPIN model. In a model compiled by
        pyqubo, products stay correct, see `qubo_dnn.constraints.exact_products`.

    Raises:
        FormulationError: a bias is not finite.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({}, {("a", "b"): 1.0}, 0.0, "SPIN")
        >>> problem = problem_from_bqm(bqm)
        >>> problem.decode({"a": 0, "b": 1}).value
        {'a': -1, 'b': 1}
    """
    own = EncodedInteger.of_spin if bqm.vartype is dimod.SPIN else EncodedInteger.of_bit
    variables = tuple(bqm.variables)
    return with_exact_products(
        Problem(
            objective=_minimised(bqm.copy(), sense),
            decoder=Values({v: own(v) for v in variables}),
            sense=sense,
            native=SampleSets(variables, bqm.vartype.name),
        )
    )


@checked
def problem_from_cqm(
    cqm: dimod.ConstrainedQuadraticModel, sense: Literal["min", "max"] = "min", integers: str = "binary"
) -> Problem[dict[Variable, int | float]]:
    """Make a problem with constraints over binary, spin and bounded integer variables.

    Args:
        cqm: constrained model; it is not changed.
        sense: sense of the objective, "min" or "max".
        integers: name of the encoding of integers, see `qubo_dnn.encodings.names`.

    Returns:
        A problem whose answers are the values of the model's variables. Constraints that dimod marks as discrete become
        one-hot groups. The price of a soft constraint is part of the objective, see `qubo_dnn.models.soft_constraints`.
        Bounds of integers are rounded inwards; bounds that follow only from the constraints are logged.

    Raises:
        UnsupportedProblemError: a variable is REAL and not fixed by its bounds, or an integer without bounds; a soft
            constraint has no exact price; a product has a degree above 2 after the encoding of integers.
        FormulationError: a bias is not finite, no integer lies within a variable's bounds, or two variables or
            constraints would have the same name.

    Example:
        >>> cqm = dimod.ConstrainedQuadraticModel()
        >>> label = cqm.add_constraint(dimod.Integer("n", upper_bound=5) >= 3, label="least")
        >>> problem = problem_from_cqm(cqm)
        >>> problem.variables, problem.decode({"n[0]": 1, "n[1]": 1, "n[2]": 0}).value
        (('n[0]', 'n[1]', 'n[2]'), {'n': 3})
    """
    return convert_cqm(cqm, sense, integers, ConstrainedSampleSets(copy.deepcopy(cqm)))


def convert_cqm(
    cqm: dimod.ConstrainedQuadraticModel, sense: Literal["min", "max"], integers: str, native: Native | None
) -> Problem[dict[Variable, int | float]]:
    """Make a problem as `problem_from_cqm` does, with other answers in the caller's terms.

    Args:
        cqm: constrained model.
        sense: sense of the objective.
        integers: name of the encoding of integers.
        native: see `Problem.native`.

    Example:
        >>> cqm = dimod.ConstrainedQuadraticModel()
        >>> cqm.set_objective(dimod.Binary("a"))
        >>> convert_cqm(cqm, "min", "binary", len).native([])
        0
    """
    encoding = integer_encoding(integers)
    ranges, implied = integer_ranges(cqm)
    encoded = {v: _encode(cqm, v, ranges.get(v), encoding) for v in cqm.variables}
    _say_implied({v: ranges[v] for v in implied})
    parts = _Parts(_substituted(cqm.objective, encoded))
    parts.add_variables(name for each in encoded.values() for name in each.coefficients)
    for label, constraint in cqm.constraints.items():
        lhs = constraint.lhs
        if lhs.is_discrete():
            parts.add(str(label), tuple(lhs.variables))
            continue
        hard = Constraint(_substituted(lhs, encoded), constraint.sense.value, float(constraint.rhs))
        if lhs.is_soft():
            parts.add_soft(str(label), SoftConstraint(hard, float(lhs.weight()), lhs.penalty()), sense)
        else:
            parts.add(str(label), hard)
    for variable, each in encoded.items():
        if each.one_hot:
            parts.add(f"values of {variable}", each.one_hot)
        if each.valid:
            parts.add(f"values of {variable}", each.valid)
    return with_exact_products(
        Problem(
            objective=_minimised(parts.objective, sense),
            decoder=Values(encoded),
            one_hot=parts.one_hot,
            constraints=parts.constraints,
            sense=sense,
            soft=parts.soft,
            auxiliaries=tuple(parts.auxiliaries),
            native=native,
        )
    )


@dataclass
class _Parts:
    """Parts of a problem, with a check that names are unique."""

    objective: dimod.BinaryQuadraticModel
    one_hot: dict[str, tuple[Variable, ...]] = field(default_factory=dict)
    constraints: dict[str, Constraint] = field(default_factory=dict)
    soft: dict[str, SoftConstraint] = field(default_factory=dict)
    auxiliaries: list[Auxiliary] = field(default_factory=list)
    names: set[Variable] = field(default_factory=set)

    def add_variables(self, variables: Iterable[Variable]) -> None:
        for name in variables:
            if name in self.names:
                raise FormulationError(
                    f"two variables would have the name {name!r}, one of which encodes a number; relabel"
                )
            self.names.add(name)
            self.objective.add_linear(name, 0.0)

    def _check(self, label: str) -> None:
        if label in self.one_hot or label in self.constraints or label in self.soft:
            raise FormulationError(f"two constraints would have the label {label!r}; relabel one of them")

    def add(self, label: str, kept: Constraint | tuple[Variable, ...]) -> None:
        self._check(label)
        if isinstance(kept, tuple):
            self.one_hot[label] = kept
        else:
            self.constraints[label] = kept

    def add_soft(self, label: str, constraint: SoftConstraint, sense: str) -> None:
        """Add the price of a soft constraint, which makes the objective worse in its sense."""
        price = price_of(label, constraint)
        for auxiliary in price.auxiliaries:
            self.add_variables(auxiliary.worth)
            self.auxiliaries.append(auxiliary)
        price.model.scale(-1.0 if sense == "max" else 1.0)
        self.objective.update(price.model)
        self._check(label)
        self.soft[label] = constraint


def _say_implied(ranges: Mapping[Any, tuple[int, int]]) -> None:
    shown = [f"{low} <= {variable} <= {high}" for variable, (low, high) in ranges.items()]
    if shown:
        more = f" and {len(shown) - _MOST_SAID} more" if len(shown) > _MOST_SAID else ""
        _LOG.info("bounds that follow from the constraints: %s%s", ", ".join(shown[:_MOST_SAID]), more)


def _minimised(objective: dimod.BinaryQuadraticModel, sense: str) -> dimod.BinaryQuadraticModel:
    if sense == "max":
        objective.scale(-1.0)
    return objective


def _encode(
    cqm: dimod.ConstrainedQuadraticModel,
    variable: Variable,
    integers: tuple[int, int] | None,
    encoding: IntegerEncoding,
) -> EncodedInteger:
    """Encode a variable as `low + sum of coefficients`; a variable with a single value becomes a constant."""
    vartype = cqm.vartype(variable)
    if vartype is dimod.BINARY:
        return EncodedInteger.of_bit(variable)
    if vartype is dimod.SPIN:
        return EncodedInteger.of_spin(variable)
    if integers is None:
        if cqm.lower_bound(variable) == cqm.upper_bound(variable):
            return EncodedInteger(float(cqm.lower_bound(variable)), {})
        raise UnsupportedProblemError(f"the variable {variable!r} is {vartype.name}, neither binary nor integer")
    low, high = integers
    if low == high:
        return EncodedInteger(low, {})
    if low <= -LARGEST or high >= LARGEST:
        raise UnsupportedProblemError(f"the integer variable {variable!r} has no bounds; set them")
    return encoding(str(variable), low, high)


def _substituted(model: dimod.QuadraticModel, encoded: Mapping[Any, EncodedInteger]) -> dimod.BinaryQuadraticModel:
    """Express `model` in the encoding variables."""
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

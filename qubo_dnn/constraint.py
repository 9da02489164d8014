"""Constraints of a problem, the violation of a constraint by a state, and its penalty model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Literal

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.errors import FormulationError
from qubo_dnn.support.arguments import check_fields, checked

Sense = Literal["<=", "==", ">="]


class ConstraintKind(StrEnum):
    """Kinds of constraints that a backend may keep natively, without penalty terms.

    An assignment is a linear equality that fixes how many of its variables are 1, if none of them is in another
    equality. Examples are the places of an assignment problem, or a fixed number of selected items. Exchanging a 1 for
    a 0 keeps an assignment, but not a general equality. A backend that keeps linear equalities keeps assignments too.

    A quadratic inequality has room below its right side, as a budget of products has. One that only holds with
    equality, such as `sum of x[i] x[j] <= 0`, has an exact penalty model and counts as a quadratic equality.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> get_formulation("knapsack").example(0).compile().constraint_kinds
        frozenset({<ConstraintKind.INEQUALITY: 'linear-inequality'>})
    """

    ONE_HOT = "one-hot"
    INEQUALITY = "linear-inequality"
    ASSIGNMENT = "assignment"
    EQUALITY = "linear-equality"
    QUADRATIC_INEQUALITY = "quadratic-inequality"
    QUADRATIC_EQUALITY = "quadratic-equality"


@dataclass(frozen=True)
class Constraint:
    """The constraint `lhs(x) sense rhs`, with a left side of degree at most two.

    Attributes:
        lhs: model of the left side, including its offset; converted to BINARY.
        sense: "<=", "==" or ">=".
        rhs: right side, in the unit of `lhs`.
        one_sided: the caller's promise that every state that keeps the constraint has `lhs = rhs`, so that
            `|lhs - rhs|` is a penalty. `penalty` recognises this without the promise if the signs of the biases show
            it.

    Raises:
        FormulationError: a bias or the right side is not finite, or a one-sided constraint is an equality.
        ArgumentError: a field has the wrong type, or the sense is none of the three.

    Example:
        >>> weight = dimod.BinaryQuadraticModel({"a": 3.0, "b": 4.0}, {}, 0.0, "BINARY")
        >>> capacity = Constraint(weight, "<=", 5.0)
        >>> capacity.violation(7.0)
        2.0
    """

    lhs: dimod.BinaryQuadraticModel
    sense: Sense
    rhs: float
    one_sided: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if self.one_sided and self.sense == "==":
            raise FormulationError("a one-sided constraint cannot be an equality: use '<=' or '>='")
        if not math.isfinite(self.rhs):
            raise FormulationError(f"the right side of a constraint is {self.rhs}, not a finite number")
        check_finite(self.lhs)
        if self.lhs.vartype is not dimod.BINARY:
            object.__setattr__(self, "lhs", self.lhs.change_vartype(dimod.BINARY, inplace=False))

    @property
    def is_linear(self) -> bool:
        return bool(self.lhs.is_linear())

    @property
    def is_constant(self) -> bool:
        """Return whether the left side has the same value in all states: it has no terms, or all of them are 0."""
        return not any(self.lhs.linear.values()) and not any(self.lhs.quadratic.values())

    @property
    def counts(self) -> bool:
        """Return whether this is a linear equality whose coefficients are all equal."""
        weights = {weight for weight in self.lhs.linear.values() if weight != 0.0}
        return self.sense == "==" and self.is_linear and len(weights) == 1

    @cached_property
    def penalty(self) -> dimod.BinaryQuadraticModel | None:
        """A model that is 0.0 in all states that keep the constraint and > 0 in all others, or None.

        A linear equality has `(lhs - rhs)^2`, in the squared unit of `lhs`. Other constraints have `lhs - rhs`, in the
        unit of `lhs`, if no state has a left side below `rhs`, by promise (`one_sided`) or by the signs of the biases,
        as in `sum of x[i] x[j] <= 0`; for ">=" the signs are reversed. All others need further variables: None.
        """
        if self.sense == "==" and self.is_linear:
            return self._square()
        for sign, senses in ((1.0, ("<=", "==")), (-1.0, (">=", "=="))):
            vectors = self.lhs.to_numpy_vectors()
            biases = sign * np.concatenate([vectors.linear_biases, vectors.quadratic.biases])
            least = sign * (float(self.lhs.offset) - self.rhs) + float(np.minimum(biases, 0.0).sum())
            if self.sense in senses and (self.one_sided or least >= 0.0):
                model = self.lhs.copy()
                model.scale(sign)
                model.offset -= sign * self.rhs
                return model
        return None

    def _square(self) -> dimod.BinaryQuadraticModel:
        """Compute `(lhs - rhs)^2` of a linear left side with arrays, since a budget couples all of its variables."""
        labels = list(self.lhs.variables)
        biases = np.array([float(self.lhs.linear[label]) for label in labels])
        constant = float(self.lhs.offset) - self.rhs
        used = np.flatnonzero(biases)
        rows, columns = (used[ends] for ends in np.triu_indices(len(used), 1))
        linear, products = biases * (biases + 2.0 * constant), 2.0 * biases[rows] * biases[columns]
        return dimod.BinaryQuadraticModel.from_numpy_vectors(
            linear, (rows, columns, products), constant**2, dimod.BINARY, variable_order=labels
        )

    @property
    def tolerance(self) -> float:
        """By how much the left side may miss the right side: 1e-9 times `max(1, |rhs|)`."""
        return 1e-9 * max(1.0, abs(self.rhs))

    @property
    def sign(self) -> float:
        """-1.0 for ">=" and 1.0 otherwise: `sign * lhs <= sign * rhs` states every inequality in one form."""
        return -1.0 if self.sense == ">=" else 1.0

    def excess(self, activities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return by how much left sides, in any shape, break the constraint; 0.0 within `tolerance`."""
        beyond = activities - self.rhs
        broken = {"<=": beyond, ">=": -beyond, "==": np.abs(beyond)}[self.sense]
        return np.where(broken > self.tolerance, broken, 0.0)

    def violation(self, activity: float) -> float:
        """Return by how much a left side of value `activity` breaks the constraint; 0.0 if it holds."""
        return float(self.excess(np.array(activity)))


@dataclass(frozen=True, eq=False)
class SoftConstraint:
    """A constraint that a state may break at a price.

    Attributes:
        constraint: over the problem's variables.
        weight: > 0, in the unit of the objective per unit of the constraint or of its square.
        penalty: "linear" for a price of weight * violation, "quadratic" for weight * violation^2.

    Example:
        >>> hours = dimod.BinaryQuadraticModel({"a": 3.0, "b": 4.0}, {}, 0.0, "BINARY")
        >>> SoftConstraint(Constraint(hours, "<=", 5.0), weight=10.0, penalty="quadratic").price(2.0)
        40.0
    """

    constraint: Constraint
    weight: float
    penalty: Literal["linear", "quadratic"]

    def price(self, violation: float) -> float:
        """Return what a violation adds to a minimised objective."""
        return self.weight * violation ** (2 if self.penalty == "quadratic" else 1)


@checked
def check_finite(bqm: dimod.BinaryQuadraticModel) -> None:
    """Refuse a model with a bias or an offset that is not finite.

    Raises:
        FormulationError: a bias or the offset of `bqm` is NaN or infinite.

    Example:
        >>> check_finite(dimod.BinaryQuadraticModel({"a": float("nan")}, {}, 0.0, "BINARY"))
        Traceback (most recent call last):
        qubo_dnn.errors.FormulationError: the linear bias of 'a' is not a finite number
    """
    vectors = bqm.to_numpy_vectors(variable_order=list(bqm.variables))
    if not math.isfinite(float(bqm.offset)):
        raise FormulationError(f"the offset is {bqm.offset}, not a finite number")
    if not np.isfinite(vectors.linear_biases).all():
        label = list(bqm.variables)[int(np.argmin(np.isfinite(vectors.linear_biases)))]
        raise FormulationError(f"the linear bias of {label!r} is not a finite number")
    if not np.isfinite(vectors.quadratic.biases).all():
        raise FormulationError("a quadratic bias is not a finite number")

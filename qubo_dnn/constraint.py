"""A constraint of a problem: what it says, by how much a state breaks it, and its penalty model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Literal

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.arguments import check_fields, checked
from qubo_dnn.errors import FormulationError

Sense = Literal["<=", "==", ">="]


class ConstraintKind(StrEnum):
    """What a backend may keep natively, without penalty terms.

    An assignment is a linear equality that says how many of its variables are 1, none of which is in another equality:
    the places that assignment problems fill, a number of items to select. It is kept by moving ones about, which no
    other equality is; a backend that keeps linear equalities keeps assignments too.
    """

    ONE_HOT = "one-hot"
    INEQUALITY = "linear-inequality"
    ASSIGNMENT = "assignment"
    EQUALITY = "linear-equality"
    QUADRATIC = "quadratic"


@dataclass(frozen=True)
class Constraint:
    """`lhs(x) sense rhs` with a left side that is at most quadratic.

    Attributes:
        lhs: model of the left side, brought to BINARY; its offset counts.
        sense: "<=", "==" or ">=".
        rhs: right side, in the unit of `lhs`.
        one_sided: the caller's promise that no state lies on the kept side but at `rhs` itself, so that the left side
            is a penalty by itself; where the signs of the biases show it, `penalty` finds that without being told.

    Raises:
        FormulationError: a bias or the right side is not finite, the sense is none of the three, or a one-sided
            constraint is an equality.
    """

    lhs: dimod.BinaryQuadraticModel
    sense: Sense
    rhs: float
    one_sided: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if self.one_sided and self.sense == "==":
            raise FormulationError("a one-sided constraint says on which side states may lie: use '<=' or '>='")
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
        """Whether the left side is the same in all states: it has no terms, or all of them are 0."""
        return not any(self.lhs.linear.values()) and not any(self.lhs.quadratic.values())

    @property
    def counts(self) -> bool:
        """Whether this is a linear equality whose variables all have the same coefficient."""
        weights = {weight for weight in self.lhs.linear.values() if weight != 0.0}
        return self.sense == "==" and self.is_linear and len(weights) == 1

    @cached_property
    def penalty(self) -> dimod.BinaryQuadraticModel | None:
        """A model that is 0.0 in every state that keeps the constraint and > 0 in all others, in the unit of `lhs`.

        `(lhs - rhs)^2` of a linear equality, in the squared unit; `lhs - rhs` where no state's left side is below
        the right one, by promise (`one_sided`) or by the signs of its biases, such as `sum of x[i] x[j] <= 0`, and
        mirrored for ">=". Other constraints have none without further variables: None.
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
        """`(lhs - rhs)^2` of a linear left side, from arrays: budgets couple all of their variables."""
        labels = list(self.lhs.variables)
        biases = np.array([float(self.lhs.linear[label]) for label in labels])
        constant = float(self.lhs.offset) - self.rhs
        used = np.flatnonzero(biases)
        rows, columns = (used[ends] for ends in np.triu_indices(len(used), 1))
        linear, products = biases * (biases + 2.0 * constant), 2.0 * biases[rows] * biases[columns]
        return dimod.BinaryQuadraticModel.from_numpy_vectors(
            linear, (rows, columns, products), constant**2, dimod.BINARY, variable_order=labels
        )

    def excess(self, activities: NDArray[np.float64]) -> NDArray[np.float64]:
        """By how much left sides of these values break the constraint, in any shape; 0.0 where it holds.

        A right side is met within 1e-9 of its size, or within 1e-9 if it is smaller than 1.
        """
        beyond = activities - self.rhs
        broken = {"<=": beyond, ">=": -beyond, "==": np.abs(beyond)}[self.sense]
        return np.where(broken > 1e-9 * max(1.0, abs(self.rhs)), broken, 0.0)

    def violation(self, activity: float) -> float:
        """By how much a left side of value `activity` breaks the constraint; 0.0 when it holds."""
        return float(self.excess(np.array(activity)))


@dataclass(frozen=True, eq=False)
class SoftConstraint:
    """A constraint that may be broken at a price.

    Attributes:
        constraint: over the problem's variables.
        weight: > 0, in the unit of the objective per unit of the constraint or of its square.
        penalty: whether the price is the weight times the violation, or times its square.
    """

    constraint: Constraint
    weight: float
    penalty: Literal["linear", "quadratic"]

    def price(self, violation: float) -> float:
        """What a violation adds to a minimised objective."""
        return self.weight * violation ** (2 if self.penalty == "quadratic" else 1)


@checked
def check_finite(bqm: dimod.BinaryQuadraticModel) -> None:
    """Raise `FormulationError` when a bias or the offset of `bqm` is NaN or infinite."""
    vectors = bqm.to_numpy_vectors(variable_order=list(bqm.variables))
    if not math.isfinite(float(bqm.offset)):
        raise FormulationError(f"the offset is {bqm.offset}, not a finite number")
    if not np.isfinite(vectors.linear_biases).all():
        label = list(bqm.variables)[int(np.argmin(np.isfinite(vectors.linear_biases)))]
        raise FormulationError(f"the linear bias of {label!r} is not a finite number")
    if not np.isfinite(vectors.quadratic.biases).all():
        raise FormulationError("a quadratic bias is not a finite number")

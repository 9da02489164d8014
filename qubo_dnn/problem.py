"""The common intermediate representation: an objective BQM, its constraints, and the way back.

A `Problem` is what a formulation compiles to and what every backend is fed from: natively, as one BQM with
penalties (`Problem.bqm`), or as dimod's constrained model (`Problem.to_cqm`). Decoding travels with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from numbers import Real
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar, get_args

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.errors import FormulationError, UnsupportedProblemError

T = TypeVar("T")
Variable = Hashable
Sample = Mapping[Variable, int]
Sense = Literal["<=", "==", ">="]


class ConstraintKind(StrEnum):
    """What a backend may keep natively, without penalty terms."""

    ONE_HOT = "one-hot"
    LINEAR = "linear"
    QUADRATIC = "quadratic"


@dataclass(frozen=True)
class Constraint:
    """`lhs(x) sense rhs` with a left side that is at most quadratic.

    Attributes:
        lhs: model of the left side, brought to BINARY; its offset counts.
        sense: "<=", "==" or ">=".
        rhs: right side, in the unit of `lhs`.

    Raises:
        FormulationError: a bias or the right side is not finite, or the sense is none of the three.
    """

    lhs: dimod.BinaryQuadraticModel
    sense: Sense
    rhs: float

    def __post_init__(self) -> None:
        if self.sense not in get_args(Sense):
            raise FormulationError(
                f"a constraint has one of the senses {', '.join(get_args(Sense))}, not {self.sense!r}"
            )
        if not math.isfinite(self.rhs):
            raise FormulationError(f"the right side of a constraint is {self.rhs}, not a finite number")
        check_finite(self.lhs)
        if self.lhs.vartype is not dimod.BINARY:
            object.__setattr__(self, "lhs", self.lhs.change_vartype(dimod.BINARY, inplace=False))

    @property
    def kind(self) -> ConstraintKind:
        return ConstraintKind.LINEAR if self.lhs.is_linear() else ConstraintKind.QUADRATIC

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


@dataclass(frozen=True)
class Decoded(Generic[T]):
    """A sample in the user's own terms.

    Attributes:
        value: the decoded answer.
        objective: penalty-free objective of the sample, in the problem's unit, to be minimised.
        violations: broken constraint -> by how much (> 0), in the constraint's own unit.
    """

    value: T
    objective: float
    violations: Mapping[str, float] = field(default_factory=dict)

    @property
    def feasible(self) -> bool:
        return not self.violations


@dataclass(frozen=True, eq=False)
class LowRank:
    """`1/2 |factor' x|^2`: a dense quadratic form kept as its factor, where its matrix would not fit into memory.

    Attributes:
        variables: n of them.
        factor: [n, rank] float32.

    Raises:
        FormulationError: there is not one row for every variable, or an entry is not finite.
    """

    variables: tuple[Variable, ...]
    factor: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.factor.ndim != 2 or len(self.factor) != len(self.variables):
            raise FormulationError(f"a factor of shape {self.factor.shape} for {len(self.variables)} variables")
        # Extremes, because an array of booleans would take another quarter of a factor that barely fits.
        if not np.isfinite([self.factor.min(initial=0.0), self.factor.max(initial=0.0)]).all():
            raise FormulationError("an entry of the low-rank form is not a finite number")

    def energy(self, sample: Sample) -> float:
        """The form's value."""
        chosen = np.array([bool(sample[variable]) for variable in self.variables])
        return float(np.square(self.factor[chosen].sum(axis=0, dtype=float)).sum() / 2.0)


@dataclass(frozen=True, kw_only=True)
class Problem(Generic[T]):
    """An optimization problem over binary variables, to be minimised.

    Attributes:
        objective: model without any penalty; it is brought to BINARY and its variables into natural order.
        decoder: turns a feasible or infeasible sample into the user's terms.
        one_hot: label -> variables of which exactly one is 1; groups do not overlap.
        constraints: label -> further constraints.
        low_rank: added to the objective; such a problem is kept and decoded, but it has no BQM.

    Raises:
        FormulationError: a bias is not finite, groups overlap or are empty, a label is used twice, or a
            constraint or the low-rank form names a variable that the objective lacks.
    """

    objective: dimod.BinaryQuadraticModel
    decoder: Callable[[Sample], T]
    one_hot: Mapping[str, tuple[Variable, ...]] = field(default_factory=dict)
    constraints: Mapping[str, Constraint] = field(default_factory=dict)
    low_rank: LowRank | None = None

    def __post_init__(self) -> None:
        check_finite(self.objective)
        known = set(self.objective.variables)
        seen: set[Variable] = set()
        groups = {label: tuple(group) for label, group in self.one_hot.items()}
        for label, group in groups.items():
            if not group:
                raise FormulationError(f"one-hot group {label!r} is empty")
            for variable in group:
                if variable not in known:
                    raise FormulationError(f"one-hot group {label!r} names the unknown variable {variable!r}")
                if variable in seen:
                    raise FormulationError(f"variable {variable!r} is in more than one one-hot group")
                seen.add(variable)
        for label, constraint in self.constraints.items():
            if label in groups:
                raise FormulationError(f"the label {label!r} is used for a group and for a constraint")
            unknown = set(constraint.lhs.variables) - known
            if unknown:
                raise FormulationError(f"constraint {label!r} names the unknown variable {min(unknown, key=str)!r}")
        if self.low_rank is not None and not known.issuperset(self.low_rank.variables):
            raise FormulationError("the low-rank form names a variable that the objective lacks")
        object.__setattr__(self, "objective", _in_natural_order(self.objective))
        object.__setattr__(self, "one_hot", MappingProxyType(groups))
        object.__setattr__(self, "constraints", MappingProxyType(dict(self.constraints)))

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """All variables in natural order, the order of `objective`."""
        return tuple(self.objective.variables)

    @property
    def constraint_kinds(self) -> frozenset[ConstraintKind]:
        """The kinds of constraint this problem has."""
        kinds = {constraint.kind for constraint in self.constraints.values()}
        return frozenset(kinds | {ConstraintKind.ONE_HOT} if self.one_hot else kinds)

    def check_expressible(self) -> None:
        """Refuse a low-rank objective where its interactions have to be written out.

        Raises:
            UnsupportedProblemError: the text says how many they are.
        """
        if self.low_rank is not None:
            n, rank = self.low_rank.factor.shape
            raise UnsupportedProblemError(
                f"{n} densely coupled variables have {n * (n - 1) // 2:.2g} interactions, too many for a binary "
                f"quadratic model; they are kept as a factor of rank {rank}, which no backend takes yet"
            )

    def bqm(self, penalties: Mapping[str, float]) -> dimod.BinaryQuadraticModel:
        """The objective plus `penalty * (sum of the group - 1)^2` for every one-hot group.

        Args:
            penalties: weight >= 0 of every one-hot group, in the unit of the objective.

        Raises:
            FormulationError: a group has no penalty, or `constraints` is not empty (relax them first;
                see `qubo_dnn.constraints`).
            UnsupportedProblemError: the objective has a low-rank form.
        """
        self.check_expressible()
        if self.constraints:
            raise FormulationError(f"constraints must be relaxed before a BQM is made: {', '.join(self.constraints)}")
        model = self.objective.copy()
        for label, group in self.one_hot.items():
            if label not in penalties:
                raise FormulationError(f"no penalty for the one-hot group {label!r}")
            model.add_linear_equality_constraint([(v, 1.0) for v in group], penalties[label], -1.0)
        return model

    def to_cqm(self) -> dimod.ConstrainedQuadraticModel:
        """The same problem as dimod's constrained model, one-hot groups marked as discrete.

        Raises:
            UnsupportedProblemError: the objective has a low-rank form.
        """
        self.check_expressible()
        cqm = dimod.ConstrainedQuadraticModel()
        cqm.set_objective(self.objective)
        for label, group in self.one_hot.items():
            cqm.add_discrete(list(group), label=label)
        for label, constraint in self.constraints.items():
            cqm.add_constraint_from_model(constraint.lhs, constraint.sense, rhs=constraint.rhs, label=label)
        return cqm

    def relaxed(self, objective: dimod.BinaryQuadraticModel) -> Problem[T]:
        """This problem with another objective over the same variables and only its one-hot groups kept."""
        return replace(self, objective=objective, constraints={})

    def violations(self, sample: Sample) -> dict[str, float]:
        """Broken constraint -> by how much; a one-hot group counts |chosen - 1|."""
        broken = {label: float(abs(sum(sample[v] for v in group) - 1)) for label, group in self.one_hot.items()}
        for label, constraint in self.constraints.items():
            broken[label] = constraint.violation(float(constraint.lhs.energy(sample)))
        return {label: amount for label, amount in broken.items() if amount > 0}

    def decode(self, sample: Sample) -> Decoded[T]:
        """A sample in the user's terms, with its penalty-free objective and its violations.

        Raises:
            FormulationError: the sample lacks a variable, or gives it another value than 0 or 1.
        """
        for variable in self.variables:
            if variable not in sample:
                raise FormulationError(f"the sample lacks the variable {variable!r}")
            if sample[variable] not in (0, 1):
                raise FormulationError(f"the sample has {sample[variable]} for the binary variable {variable!r}")
        value = float(self.objective.energy(sample))
        if self.low_rank is not None:
            value += self.low_rank.energy(sample)
        return Decoded(self.decoder(sample), value, self.violations(sample))


def _in_natural_order(bqm: dimod.BinaryQuadraticModel) -> dimod.BinaryQuadraticModel:
    """`bqm` as BINARY with variables in natural order; itself when it is already so."""
    order = sorted(bqm.variables, key=natural_key)
    if bqm.vartype is dimod.BINARY and list(bqm.variables) == order:
        return bqm
    # Ordered before the vartype is changed: that sums biases, and a sum depends on its order.
    vectors = bqm.to_numpy_vectors(variable_order=order)
    ordered = dimod.BinaryQuadraticModel.from_numpy_vectors(*vectors, bqm.vartype, variable_order=order)
    return ordered.change_vartype(dimod.BINARY)


def check_finite(bqm: dimod.BinaryQuadraticModel) -> None:
    """Raise `FormulationError` when a bias or the offset of `bqm` is NaN or infinite."""
    vectors = bqm.to_numpy_vectors()
    if not math.isfinite(float(bqm.offset)):
        raise FormulationError(f"the offset is {bqm.offset}, not a finite number")
    if not np.isfinite(vectors.linear_biases).all():
        label = list(bqm.variables)[int(np.argmin(np.isfinite(vectors.linear_biases)))]
        raise FormulationError(f"the linear bias of {label!r} is not a finite number")
    if not np.isfinite(vectors.quadratic.biases).all():
        raise FormulationError("a quadratic bias is not a finite number")


def natural_key(label: object) -> tuple[Any, ...]:
    """Sort key that orders `x[2]` before `x[10]` and never compares unlike types.

    Sampling depends on the order of variables, so one fixed order makes equal seeds give equal answers.
    """
    if isinstance(label, Real):
        return (0, label)
    if isinstance(label, tuple):
        return (2, tuple(natural_key(part) for part in label))
    if isinstance(label, frozenset):
        return (3, tuple(sorted(natural_key(part) for part in label)))
    text = str(label)
    pieces = re.split(r"(\d+)", text)
    # The text itself at the end tells `x1` from `x01`, whose pieces are equal.
    return (1, tuple((1, int(piece), "") if piece.isdecimal() else (0, 0, piece) for piece in pieces if piece), text)

"""The common intermediate representation: an objective BQM, its constraints, and the way back.

A `Problem` is what a formulation compiles to and what every backend is fed from: natively, as one BQM with
penalties (`Problem.bqm`), or as dimod's constrained model (`Problem.to_cqm`). Decoding travels with it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar

import dimod

from qubo_dnn.backend import ConstraintKind, check_finite, natural_key
from qubo_dnn.errors import FormulationError

T = TypeVar("T")
Variable = Hashable
Sample = Mapping[Variable, int]
Sense = Literal["<=", "==", ">="]


@dataclass(frozen=True)
class Constraint:
    """`lhs(x) sense rhs` with a left side that is at most quadratic.

    Attributes:
        lhs: BINARY model of the left side; its offset counts.
        sense: "<=", "==" or ">=".
        rhs: right side, in the unit of `lhs`.
    """

    lhs: dimod.BinaryQuadraticModel
    sense: Sense
    rhs: float

    @property
    def kind(self) -> ConstraintKind:
        return ConstraintKind.LINEAR if self.lhs.is_linear() else ConstraintKind.QUADRATIC

    def violation(self, activity: float) -> float:
        """By how much a left side of value `activity` breaks the constraint; 0.0 when it holds."""
        excess = activity - self.rhs
        broken = {"<=": excess, ">=": -excess, "==": abs(excess)}[self.sense]
        tolerance = 1e-9 * max(1.0, abs(self.rhs))
        return broken if broken > tolerance else 0.0


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


@dataclass(frozen=True, kw_only=True)
class Problem(Generic[T]):
    """An optimization problem over binary variables, to be minimised.

    Attributes:
        objective: BINARY model without any penalty; its variables are brought into natural order.
        decoder: turns a feasible or infeasible sample into the user's terms.
        one_hot: label -> variables of which exactly one is 1; groups do not overlap.
        constraints: label -> further constraints.

    Raises:
        FormulationError: a bias is not finite, groups overlap or are empty, a label is used twice, or a
            constraint names a variable that the objective lacks.
    """

    objective: dimod.BinaryQuadraticModel
    decoder: Callable[[Sample], T]
    one_hot: Mapping[str, tuple[Variable, ...]] = field(default_factory=dict)
    constraints: Mapping[str, Constraint] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_finite(self.objective)
        known = set(self.objective.variables)
        seen: set[Variable] = set()
        for label, group in self.one_hot.items():
            if not group:
                raise FormulationError(f"one-hot group {label!r} is empty")
            for variable in group:
                if variable not in known:
                    raise FormulationError(f"one-hot group {label!r} names the unknown variable {variable!r}")
                if variable in seen:
                    raise FormulationError(f"variable {variable!r} is in more than one one-hot group")
                seen.add(variable)
        for label, constraint in self.constraints.items():
            if label in self.one_hot:
                raise FormulationError(f"the label {label!r} is used for a group and for a constraint")
            check_finite(constraint.lhs)
            unknown = set(constraint.lhs.variables) - known
            if unknown:
                raise FormulationError(f"constraint {label!r} names the unknown variable {min(unknown, key=str)!r}")
        object.__setattr__(self, "objective", _in_natural_order(self.objective))
        object.__setattr__(self, "one_hot", MappingProxyType(dict(self.one_hot)))
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

    def bqm(self, penalties: Mapping[str, float]) -> dimod.BinaryQuadraticModel:
        """The objective plus `penalty * (sum of the group - 1)^2` for every one-hot group.

        Args:
            penalties: weight >= 0 of every one-hot group, in the unit of the objective.

        Raises:
            FormulationError: a group has no penalty, or `constraints` is not empty (relax them first;
                see `qubo_dnn.constraints`).
        """
        if self.constraints:
            raise FormulationError(f"constraints must be relaxed before a BQM is made: {', '.join(self.constraints)}")
        model = self.objective.copy()
        for label, group in self.one_hot.items():
            if label not in penalties:
                raise FormulationError(f"no penalty for the one-hot group {label!r}")
            model.add_linear_equality_constraint([(v, 1.0) for v in group], penalties[label], -1.0)
        return model

    def to_cqm(self) -> dimod.ConstrainedQuadraticModel:
        """The same problem as dimod's constrained model, one-hot groups marked as discrete."""
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
            FormulationError: the sample lacks a variable.
        """
        missing = [v for v in self.variables if v not in sample]
        if missing:
            raise FormulationError(f"the sample lacks the variable {missing[0]!r}")
        return Decoded(self.decoder(sample), float(self.objective.energy(sample)), self.violations(sample))


def _in_natural_order(bqm: dimod.BinaryQuadraticModel) -> dimod.BinaryQuadraticModel:
    """`bqm` as BINARY with variables in natural order; itself when it is already so."""
    order: Sequence[Any] = sorted(bqm.variables, key=natural_key)
    if bqm.vartype is dimod.BINARY and list(bqm.variables) == list(order):
        return bqm
    vectors = bqm.change_vartype(dimod.BINARY, inplace=False).to_numpy_vectors(variable_order=order)
    return dimod.BinaryQuadraticModel.from_numpy_vectors(*vectors, dimod.BINARY, variable_order=order)

"""The common intermediate representation: an objective BQM, its constraints, and the way back.

A `Problem` is what a formulation compiles to and what every backend is fed from: natively, as one BQM with
penalties (`Problem.bqm`), or as dimod's constrained model (`Problem.to_cqm`). Decoding travels with it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Real
from typing import Any, Generic, Literal, TypeVar

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.arguments import check_fields
from qubo_dnn.auxiliary import Auxiliary
from qubo_dnn.constraint import Constraint, ConstraintKind, SoftConstraint, check_finite
from qubo_dnn.errors import FormulationError, UnsupportedProblemError
from qubo_dnn.frozen import FrozenMapping

T = TypeVar("T")
Variable = Hashable
Sample = Mapping[Variable, int]


@dataclass(frozen=True)
class Decoded(Generic[T]):
    """A sample in the user's own terms.

    Attributes:
        value: the decoded answer.
        objective: penalty-free objective of the sample, in the unit and the sense of the problem.
        violations: broken constraint -> by how much (> 0), in the constraint's own unit.
        soft: the same of soft constraints, whose price is part of `objective`.
    """

    value: T
    objective: float
    violations: Mapping[str, float] = field(default_factory=dict)
    soft: Mapping[str, float] = field(default_factory=dict)

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
        check_fields(self)
        if self.factor.ndim != 2 or len(self.factor) != len(self.variables):
            raise FormulationError(f"a factor of shape {self.factor.shape} for {len(self.variables)} variables")
        # Extremes, because an array of booleans would take another quarter of a factor that barely fits.
        if not np.isfinite([self.factor.min(initial=0.0), self.factor.max(initial=0.0)]).all():
            raise FormulationError("an entry of the low-rank form is not a finite number")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LowRank):
            return NotImplemented
        return self.variables == other.variables and np.array_equal(self.factor, other.factor)

    def energy(self, sample: Sample) -> float:
        """The form's value."""
        chosen = np.array([bool(sample[variable]) for variable in self.variables])
        return float(np.square(self.factor[chosen].sum(axis=0, dtype=float)).sum() / 2.0)


@dataclass(frozen=True, kw_only=True)
class Problem(Generic[T]):
    """An optimization problem over binary variables.

    Attributes:
        objective: model without any penalty, to be minimised; it is brought to BINARY and its variables into
            natural order.
        decoder: turns a feasible or infeasible sample into the user's terms.
        one_hot: label -> variables of which exactly one is 1; groups do not overlap.
        constraints: label -> further constraints.
        low_rank: added to the objective; such a problem has no BQM, and goes to backends that take the factor.
        sense: "max" where the user's objective is maximised, and `objective` is minus it.
        penalties: label of a group or constraint -> a weight that is proven to be sufficient: with at least these
            no infeasible state of `bqm` is as low as the optimum. Given for all labels or for none.
        soft: label -> soft constraint, whose price `objective` already has (see `qubo_dnn.models.soft_constraints`);
            for `decode`.
        auxiliaries: variables whose best values follow from the others, those of earlier ones too; `decode` and
            `solve` set them so.

    Raises:
        FormulationError: a bias is not finite, the sense is neither of the two, groups overlap or are empty, a label
            is used twice, a constraint or the low-rank form names a variable that the objective lacks, or penalties
            are given for other labels or are not finite and > 0.
        ArgumentError: the objective is no binary quadratic model.
    """

    objective: dimod.BinaryQuadraticModel
    decoder: Callable[[Sample], T]
    one_hot: Mapping[str, tuple[Variable, ...]] = field(default_factory=dict)
    constraints: Mapping[str, Constraint] = field(default_factory=dict)
    low_rank: LowRank | None = None
    sense: Literal["min", "max"] = "min"
    penalties: Mapping[str, float] = field(default_factory=dict)
    soft: Mapping[str, SoftConstraint] = field(default_factory=dict)
    auxiliaries: tuple[Auxiliary, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)
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
            _check_known(label, constraint, known)
        for label, soft in self.soft.items():
            if label in groups or label in self.constraints:
                raise FormulationError(f"the label {label!r} is used for a soft constraint and for another one")
            _check_known(label, soft.constraint, known)
        if self.low_rank is not None and not known.issuperset(self.low_rank.variables):
            raise FormulationError("the low-rank form names a variable that the objective lacks")
        unpenalised = [label for label, constraint in self.constraints.items() if constraint.penalty is None]
        if self.penalties and unpenalised:
            raise FormulationError(f"penalties are given, but the constraint {unpenalised[0]!r} has no penalty model")
        if self.penalties and self.penalties.keys() != groups.keys() | self.constraints.keys():
            raise FormulationError("penalties are given for other labels than the groups and the constraints have")
        for label, penalty in self.penalties.items():
            if not 0.0 < penalty < math.inf:
                raise FormulationError(f"the penalty of {label!r} is {penalty}, not a finite number above 0")
        object.__setattr__(self, "objective", _in_natural_order(self.objective))
        object.__setattr__(self, "one_hot", FrozenMapping(groups))
        object.__setattr__(self, "constraints", FrozenMapping(self.constraints))
        object.__setattr__(self, "penalties", FrozenMapping(self.penalties))
        object.__setattr__(self, "soft", FrozenMapping(self.soft))

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """All variables in natural order, the order of `objective`."""
        return tuple(self.objective.variables)

    @cached_property
    def kinds(self) -> Mapping[str, ConstraintKind]:
        """The kind of every constraint, and of every one-hot group."""
        equalities = [each for each in self.constraints.values() if each.sense == "==" and each.is_linear]
        taken = Counter(v for each in equalities for v, weight in each.lhs.linear.items() if weight != 0.0)
        kinds = dict.fromkeys(self.one_hot, ConstraintKind.ONE_HOT)
        for label, constraint in self.constraints.items():
            if not constraint.is_linear:
                kinds[label] = ConstraintKind.QUADRATIC
            elif constraint.sense != "==":
                kinds[label] = ConstraintKind.INEQUALITY
            elif constraint.counts and all(taken[v] == 1 for v, weight in constraint.lhs.linear.items() if weight):
                kinds[label] = ConstraintKind.ASSIGNMENT
            else:
                kinds[label] = ConstraintKind.EQUALITY
        return FrozenMapping(kinds)

    @property
    def constraint_kinds(self) -> frozenset[ConstraintKind]:
        """The kinds of constraint this problem has."""
        return frozenset(self.kinds.values())

    def check_expressible(self) -> None:
        """Refuse a low-rank objective where its interactions have to be written out.

        Raises:
            UnsupportedProblemError: the text says how many they are.
        """
        if self.low_rank is not None:
            n, rank = self.low_rank.factor.shape
            raise UnsupportedProblemError(
                f"{n} densely coupled variables have {n * (n - 1) // 2:.2g} interactions, too many for a binary "
                f"quadratic model; they are kept as a factor of rank {rank}, which only a backend with the capability "
                "low_rank takes"
            )

    def bqm(self, penalties: Mapping[str, float] | None = None) -> dimod.BinaryQuadraticModel:
        """The objective plus `penalty * (sum of the group - 1)^2` for every group and a penalty for every constraint.

        Args:
            penalties: weight >= 0 of every one-hot group, in the unit of the objective, and of every constraint, in
                that unit per unit of `Constraint.penalty`; None takes the problem's own.

        Raises:
            FormulationError: a group or a constraint has no weight.
            UnsupportedProblemError: a constraint has no penalty model (relax or encode it first; see
                `qubo_dnn.constraints`), or the objective has a low-rank form.
        """
        self.check_expressible()
        models = {label: each.penalty for label, each in self.constraints.items() if each.penalty is not None}
        lacking = [label for label in self.constraints if label not in models]
        if lacking:
            raise UnsupportedProblemError(
                f"without further variables there is no penalty model of {', '.join(map(repr, lacking))}: relax first"
            )
        weights = self.penalties if penalties is None else penalties
        for label in (*self.one_hot, *self.constraints):
            if label not in weights:
                raise FormulationError(f"no penalty for {label!r}")
        parts = [(self.objective, 1.0)]
        parts += [(_chosen_squared(group), weights[label]) for label, group in self.one_hot.items()]
        parts += [(penalty, weights[label]) for label, penalty in models.items()]
        return weighted_sum(self.variables, parts)

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

    def without_constants(self) -> Problem[T]:
        """This problem without the constraints that hold or are broken whatever the variables are.

        Nobody can do anything about these, so no backend is asked to; `decode` tells of those that are broken.
        """
        kept = {label: each for label, each in self.constraints.items() if not each.is_constant}
        if len(kept) == len(self.constraints):
            return self
        penalties = {label: self.penalties[label] for label in (*self.one_hot, *kept)} if self.penalties else {}
        return replace(self, constraints=kept, penalties=penalties)

    def relaxed(self, objective: dimod.BinaryQuadraticModel) -> Problem[T]:
        """This problem with another objective over the same variables and only its one-hot groups kept."""
        return replace(self, objective=objective, constraints={}, penalties={})

    def in_own_sense(self, minimised: float) -> float:
        """What a value of `objective` is in the sense of the problem: minus it where that is "max"."""
        # Added to 0.0 so that nothing is reported as -0.0.
        return 0.0 - minimised if self.sense == "max" else minimised

    def low_rank_energy(self, sample: Sample) -> float:
        """What the low-rank form adds to `objective`, 0.0 where there is none."""
        return 0.0 if self.low_rank is None else self.low_rank.energy(sample)

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
        sample = self.settled(sample)
        value = float(self.objective.energy(sample)) + self.low_rank_energy(sample)
        soft = {label: each.constraint for label, each in self.soft.items()}
        broken = {label: each.violation(float(each.lhs.energy(sample))) for label, each in soft.items()}
        return Decoded(
            self.decoder(sample),
            self.in_own_sense(value),
            self.violations(sample),
            {label: amount for label, amount in broken.items() if amount > 0},
        )

    def settled(self, sample: Sample) -> Sample:
        """The sample with the auxiliary variables at their best; itself where there are none."""
        if not self.auxiliaries:
            return sample
        settled = dict(sample)
        for each in self.auxiliaries:
            settled |= each.settled(settled)
        return settled


def weighted_sum(
    variables: Sequence[Variable], parts: Iterable[tuple[dimod.BinaryQuadraticModel, float]]
) -> dimod.BinaryQuadraticModel:
    """The sum of BINARY models times their weights, from arrays: dimod's own `update` takes one interaction at a time.

    Args:
        variables: of the sum, in this order; the models' are among them.
        parts: models and weights.
    """
    place = {variable: index for index, variable in enumerate(variables)}
    linear, offset = np.zeros(len(place)), 0.0
    ends, biases = [np.zeros((2, 0), np.int64)], [np.zeros(0)]
    for model, weight in parts:
        own, (rows, columns, values), constant, labels = model.to_numpy_vectors(return_labels=True)
        indices = np.fromiter((place[label] for label in labels), np.int64, len(labels))
        linear[indices] += weight * own
        offset += weight * float(constant)
        ends.append(indices[np.array([rows, columns], np.int64)])
        biases.append(weight * values)
    rows, columns = np.concatenate(ends, axis=1)
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        linear, (rows, columns, np.concatenate(biases)), offset, dimod.BINARY, variable_order=list(variables)
    )


def _check_known(label: str, constraint: Constraint, known: set[Variable]) -> None:
    unknown = set(constraint.lhs.variables) - known
    if unknown:
        raise FormulationError(f"constraint {label!r} names the unknown variable {min(unknown, key=str)!r}")


def _chosen_squared(group: Sequence[Variable]) -> dimod.BinaryQuadraticModel:
    """`(sum of the group - 1)^2`."""
    rows, columns = np.triu_indices(len(group), 1)
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        np.full(len(group), -1.0),
        (rows, columns, np.full(len(rows), 2.0)),
        1.0,
        dimod.BINARY,
        variable_order=list(group),
    )


def _in_natural_order(bqm: dimod.BinaryQuadraticModel) -> dimod.BinaryQuadraticModel:
    """`bqm` as BINARY with variables in natural order; itself when it is already so."""
    order = sorted(bqm.variables, key=natural_key)
    if bqm.vartype is dimod.BINARY and list(bqm.variables) == order:
        return bqm
    # Ordered before the vartype is changed: that sums biases, and a sum depends on its order.
    vectors = bqm.to_numpy_vectors(variable_order=order)
    ordered = dimod.BinaryQuadraticModel.from_numpy_vectors(*vectors, bqm.vartype, variable_order=order)
    return ordered.change_vartype(dimod.BINARY)


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

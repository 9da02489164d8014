"""The common representation: an objective BQM, its constraints, and a decoder for samples.

A formulation compiles to a `Problem`. A backend takes it natively, as one BQM with penalties (`Problem.bqm`), or as
dimod's constrained model (`Problem.to_cqm`). `Problem.decode` turns a sample into the user's terms.
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

from qubo_dnn.auxiliary import Auxiliary
from qubo_dnn.constraint import Constraint, ConstraintKind, SoftConstraint, check_finite
from qubo_dnn.errors import FormulationError, UnsupportedProblemError
from qubo_dnn.support.arguments import check_fields
from qubo_dnn.support.frozen import FrozenMapping

T = TypeVar("T")
Variable = Hashable
# Mappings are invariant in their keys: with `Variable` as the key, mypy would refuse a `dict[str, int]`.
Sample = Mapping[Any, int]


@dataclass(frozen=True)
class Decoded(Generic[T]):
    """A sample in the user's own terms.

    Attributes:
        value: the decoded answer.
        objective: objective of the sample without penalties, in the unit and the sense of the problem.
        violations: broken constraint -> amount of the violation (> 0), in the constraint's unit.
        soft: the same for soft constraints, whose price is part of `objective`.

    Example:
        >>> decoded = Decoded(value={"a": 1}, objective=3.0, violations={"capacity": 2.0})
        >>> decoded.feasible
        False
    """

    value: T
    objective: float
    violations: Mapping[str, float] = field(default_factory=dict)
    soft: Mapping[str, float] = field(default_factory=dict)

    @property
    def feasible(self) -> bool:
        return not self.violations


# Turns answers into a result of the library that a model comes from.
Native = Callable[[Sequence[Decoded[Any]]], Any]


@dataclass(frozen=True, eq=False)
class LowRank:
    """The dense quadratic form `1/2 |factor' x|^2`, stored as its factor if its matrix would not fit into memory.

    Attributes:
        variables: n variables.
        factor: [n, rank] float32.

    Raises:
        FormulationError: the factor does not have one row per variable, or an entry is not finite.

    Example:
        >>> form = LowRank(("a", "b"), np.array([[1.0], [3.0]], np.float32))
        >>> form.energy({"a": 1, "b": 1})
        8.0
    """

    variables: tuple[Variable, ...]
    factor: NDArray[np.float32]

    def __post_init__(self) -> None:
        check_fields(self)
        if self.factor.ndim != 2 or len(self.factor) != len(self.variables):
            raise FormulationError(
                f"the factor has the shape {self.factor.shape}, but there are {len(self.variables)} variables"
            )
        # Checks only the extremes: an array of booleans would need another quarter of the factor's memory.
        if not np.isfinite([self.factor.min(initial=0.0), self.factor.max(initial=0.0)]).all():
            raise FormulationError("an entry of the low-rank form is not a finite number")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LowRank):
            return NotImplemented
        return self.variables == other.variables and np.array_equal(self.factor, other.factor)

    def energy(self, sample: Sample) -> float:
        """Return the value of the form."""
        chosen = np.array([bool(sample[variable]) for variable in self.variables])
        return float(np.square(self.factor[chosen].sum(axis=0, dtype=float)).sum() / 2.0)


@dataclass(frozen=True, kw_only=True)
class Problem(Generic[T]):
    """An optimization problem over binary variables.

    Attributes:
        objective: model without penalties, to be minimised. It is converted to BINARY, with its variables in natural
            order.
        decoder: turns a feasible or infeasible sample into the user's terms.
        one_hot: label -> variables of which exactly one is 1; groups do not overlap.
        constraints: label -> further constraints.
        low_rank: added to the objective. Such a problem has no BQM; only backends that take the factor solve it.
        sense: "max" if the user's objective is maximised; `objective` is then its negative.
        penalties: label of a group or constraint -> penalty weight that is proven to be sufficient: with at least these
            weights, every infeasible state of `bqm` has a higher energy than the optimum. For all labels or for none.
        soft: label -> soft constraint, for `decode`. `objective` already contains its price, see
            `qubo_dnn.models.soft_constraints`.
        auxiliaries: variables whose best values follow from the other variables, including those of earlier entries;
            `decode` and `solve` set them.
        start: a known state, such as a greedy one: variable -> 0 or 1 for all variables, feasible or not. `solve` never
            returns a worse answer, and backends that can begin at a given state begin at this one, too.
        native: turns answers into a result of the library that the model comes from, see `Solution.native`; None for
            their values. It can be pickled.

    Raises:
        FormulationError: a bias is not finite, groups overlap or are empty, a label is used twice, a constraint or the
            low-rank form names a variable that the objective lacks, penalties have other labels or are not finite
            and > 0, or the start is no sample of the variables.
        ArgumentError: a field has the wrong type, or the sense is neither of the two.

    Example:
        >>> cost = dimod.BinaryQuadraticModel({"a": 2.0, "b": 3.0}, {}, 0.0, "BINARY")
        >>> problem = Problem(objective=cost, decoder=dict, one_hot={"choice": ("a", "b")})
        >>> float(problem.bqm({"choice": 10.0}).energy({"a": 0, "b": 0}))
        10.0
        >>> problem.decode({"a": 0, "b": 1}).objective
        3.0
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
    start: Sample | None = None
    native: Native | None = field(default=None, compare=False, repr=False)

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
            raise FormulationError("the penalties have other labels than the groups and the constraints")
        for label, penalty in self.penalties.items():
            if not 0.0 < penalty < math.inf:
                raise FormulationError(f"the penalty of {label!r} is {penalty}, not a finite number above 0")
        if self.start is not None:
            if self.start.keys() != known or not {0, 1}.issuperset(self.start.values()):
                raise FormulationError("the start does not have the value 0 or 1 for every variable, and no other")
            object.__setattr__(self, "start", FrozenMapping(self.start))
        object.__setattr__(self, "objective", _in_natural_order(self.objective))
        object.__setattr__(self, "one_hot", FrozenMapping(groups))
        object.__setattr__(self, "constraints", FrozenMapping(self.constraints))
        object.__setattr__(self, "penalties", FrozenMapping(self.penalties))
        object.__setattr__(self, "soft", FrozenMapping(self.soft))

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """All variables in natural order, as in `objective`."""
        return tuple(self.objective.variables)

    @cached_property
    def index(self) -> Mapping[Any, int]:
        """The place of every variable in `variables`."""
        return {variable: place for place, variable in enumerate(self.variables)}

    @cached_property
    def kinds(self) -> Mapping[str, ConstraintKind]:
        """The kind of every constraint, and of every one-hot group."""
        equalities = [each for each in self.constraints.values() if each.sense == "==" and each.is_linear]
        taken = Counter(v for each in equalities for v, weight in each.lhs.linear.items() if weight != 0.0)
        kinds = dict.fromkeys(self.one_hot, ConstraintKind.ONE_HOT)
        for label, constraint in self.constraints.items():
            if not constraint.is_linear:
                room = constraint.sense != "==" and constraint.penalty is None
                kinds[label] = ConstraintKind.QUADRATIC_INEQUALITY if room else ConstraintKind.QUADRATIC_EQUALITY
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
        """Refuse a low-rank objective, whose interactions are too many for a BQM.

        Raises:
            UnsupportedProblemError: the objective has a low-rank form; the text gives the number of interactions.
        """
        if self.low_rank is not None:
            n, rank = self.low_rank.factor.shape
            raise UnsupportedProblemError(
                f"{n} densely coupled variables have {n * (n - 1) // 2:.2g} interactions, too many for a binary "
                f"quadratic model; they are kept as a factor of rank {rank}, which only a backend with the capability "
                "low_rank takes"
            )

    def bqm(self, penalties: Mapping[str, float] | None = None) -> dimod.BinaryQuadraticModel:
        """Return the objective plus a penalty for every group and every constraint.

        The penalty of a group is `weight * (sum of the group - 1)^2`, that of a constraint `weight` times
        `Constraint.penalty`.

        Args:
            penalties: label -> weight >= 0 of every one-hot group, in the unit of the objective, and of every
                constraint, in that unit per unit of `Constraint.penalty`. None takes the problem's `penalties`.

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
        """Convert the problem to dimod's constrained model, with one-hot groups marked as discrete.

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
        """Return this problem without constraints whose left side is constant.

        Such a constraint holds in all states or in none, so no backend gets it; `decode` reports it if it is broken.
        """
        kept = {label: each for label, each in self.constraints.items() if not each.is_constant}
        if len(kept) == len(self.constraints):
            return self
        penalties = {label: self.penalties[label] for label in (*self.one_hot, *kept)} if self.penalties else {}
        return replace(self, constraints=kept, penalties=penalties)

    def relaxed(self, objective: dimod.BinaryQuadraticModel) -> Problem[T]:
        """Return this problem with another objective over the same variables and without constraints except groups."""
        return replace(self, objective=objective, constraints={}, penalties={})

    def in_own_sense(self, minimised: float) -> float:
        """Convert a value of `objective` to the sense of the problem: change its sign if the sense is "max"."""
        # Subtracted from 0.0 to avoid -0.0.
        return 0.0 - minimised if self.sense == "max" else minimised

    def low_rank_energy(self, sample: Sample) -> float:
        """Return what the low-rank form adds to `objective`; 0.0 if the problem has none."""
        return 0.0 if self.low_rank is None else self.low_rank.energy(sample)

    def violations(self, sample: Sample) -> dict[str, float]:
        """Map each broken constraint to its violation; the violation of a one-hot group is |chosen - 1|."""
        broken = {label: float(abs(sum(sample[v] for v in group) - 1)) for label, group in self.one_hot.items()}
        for label, constraint in self.constraints.items():
            broken[label] = constraint.violation(float(constraint.lhs.energy(sample)))
        return {label: amount for label, amount in broken.items() if amount > 0}

    def decode(self, sample: Sample) -> Decoded[T]:
        """Convert a sample to the user's terms, with its objective without penalties and its violations.

        Raises:
            FormulationError: the sample lacks a variable, or a value is neither 0 nor 1.
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
        """Return the sample with the best values of the auxiliary variables; the sample itself without auxiliaries."""
        if not self.auxiliaries:
            return sample
        settled = dict(sample)
        for each in self.auxiliaries:
            settled |= each.settled(settled)
        return settled


def weighted_sum(
    variables: Sequence[Variable], parts: Iterable[tuple[dimod.BinaryQuadraticModel, float]]
) -> dimod.BinaryQuadraticModel:
    """Add BINARY models times their weights.

    It works with arrays, since dimod's `update` handles one interaction at a time.

    Args:
        variables: variables of the sum, in this order, including those of all models.
        parts: models and weights.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": 1.0}, {("a", "b"): 2.0}, 0.5, "BINARY")
        >>> float(weighted_sum(["a", "b"], [(bqm, 1.0), (bqm, 10.0)]).energy({"a": 1, "b": 1}))
        38.5
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
    """Compute `(sum of the group - 1)^2`."""
    rows, columns = np.triu_indices(len(group), 1)
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        np.full(len(group), -1.0),
        (rows, columns, np.full(len(rows), 2.0)),
        1.0,
        dimod.BINARY,
        variable_order=list(group),
    )


def _in_natural_order(bqm: dimod.BinaryQuadraticModel) -> dimod.BinaryQuadraticModel:
    """Return `bqm` as BINARY with variables in natural order; `bqm` itself if it already is."""
    order = sorted(bqm.variables, key=natural_key)
    if bqm.vartype is dimod.BINARY and list(bqm.variables) == order:
        return bqm
    # Sort before changing the vartype, which adds biases: the rounding of a sum depends on its order.
    vectors = bqm.to_numpy_vectors(variable_order=order)
    ordered = dimod.BinaryQuadraticModel.from_numpy_vectors(*vectors, bqm.vartype, variable_order=order)
    return ordered.change_vartype(dimod.BINARY)


def natural_key(label: object) -> tuple[Any, ...]:
    """Return a sort key that puts `x[2]` before `x[10]` and never compares values of different types.

    Samples depend on the order of variables. With a fixed order, equal seeds give equal samples.

    Example:
        >>> sorted(["x[10]", "x[2]", 7], key=natural_key)
        [7, 'x[2]', 'x[10]']
    """
    if isinstance(label, Real):
        return (0, label)
    if isinstance(label, tuple):
        return (2, tuple(natural_key(part) for part in label))
    if isinstance(label, frozenset):
        return (3, tuple(sorted(natural_key(part) for part in label)))
    text = str(label)
    pieces = re.split(r"(\d+)", text)
    # The text at the end distinguishes `x1` from `x01`, whose pieces are equal.
    return (1, tuple((1, int(piece), "") if piece.isdecimal() else (0, 0, piece) for piece in pieces if piece), text)

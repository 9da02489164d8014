"""What a file of a model holds: the model as it stands there, and whether it is minimised or maximised."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import dimod

from qubo_dnn.errors import UnsupportedProblemError

ObjectiveSense = Literal["min", "max"]


@dataclass(frozen=True, eq=False)
class Model:
    """A binary quadratic model.

    Attributes:
        bqm: the objective, in its own sense.
        sense: "min" or "max".
    """

    bqm: dimod.BinaryQuadraticModel
    sense: ObjectiveSense = "min"


@dataclass(frozen=True, eq=False)
class ConstrainedModel:
    """A model with constraints, over binary, spin and integer variables.

    Attributes:
        cqm: its objective is in its own sense, whatever dimod makes of it.
        sense: "min" or "max".
        notes: what a reader replaced or left out, each as a line for the user.
    """

    cqm: dimod.ConstrainedQuadraticModel
    sense: ObjectiveSense = "min"
    notes: tuple[str, ...] = ()


def as_model(program: ConstrainedModel) -> Model | None:
    """The model that a program without constraints is where all of its variables are BINARY, or all are SPIN."""
    kinds = {program.cqm.vartype(variable) for variable in program.cqm.variables}
    if program.cqm.constraints or len(kinds) > 1 or not kinds <= {dimod.BINARY, dimod.SPIN}:
        return None
    bqm = dimod.BinaryQuadraticModel(kinds.pop() if kinds else dimod.BINARY)
    # All variables in the program's order: those without a bias are in no objective.
    bqm.add_linear_from(dict.fromkeys(program.cqm.variables, 0.0))
    bqm.add_linear_from(dict(program.cqm.objective.linear))
    bqm.add_quadratic_from(dict(program.cqm.objective.quadratic))
    bqm.offset = program.cqm.objective.offset
    return Model(bqm, program.sense)


def minimised(model: Model) -> Model:
    """The model to be minimised that has the same best states: minus the objective where it is maximised."""
    if model.sense == "min":
        return model
    bqm = model.bqm.copy()
    bqm.scale(-1.0)
    return Model(bqm)


def same_model(one: Model, other: Model) -> bool:
    """Return whether both have the same sense, vartype, variables in the same order, biases and offset, bit for bit."""
    return (
        one.sense == other.sense
        and one.bqm.vartype is other.bqm.vartype
        and list(one.bqm.variables) == list(other.bqm.variables)
        and all(type(u) is type(v) for u, v in zip(one.bqm.variables, other.bqm.variables, strict=True))
        and bool(one.bqm == other.bqm)
    )


def plain_label(label: object, form: str) -> int | str:
    """A label that a text can carry.

    Raises:
        UnsupportedProblemError: it is neither an integer nor a text.
    """
    if isinstance(label, int | str) and not isinstance(label, bool):
        return label
    raise UnsupportedProblemError(f"{form} files carry integers and texts as labels, not {label!r}; relabel first")


def same_program(one: ConstrainedModel, other: ConstrainedModel) -> bool:
    """Return whether two programs have the same sense, variables, objective and constraints, in the same order."""
    ours, theirs = one.cqm, other.cqm
    return (
        one.sense == other.sense
        and [_kind(ours, v) for v in ours.variables] == [_kind(theirs, v) for v in theirs.variables]
        and _terms(ours.objective) == _terms(theirs.objective)
        and [(k, _relation(c)) for k, c in ours.constraints.items()]
        == [(k, _relation(c)) for k, c in theirs.constraints.items()]
    )


def _kind(cqm: dimod.ConstrainedQuadraticModel, variable: Hashable) -> tuple[object, ...]:
    return variable, cqm.vartype(variable), cqm.lower_bound(variable), cqm.upper_bound(variable)


def _relation(constraint: dimod.sym.Comparison) -> tuple[object, ...]:
    return constraint.sense, constraint.rhs, _terms(constraint.lhs)


def _terms(model: dimod.QuadraticModel) -> tuple[object, ...]:
    """Biases but for linear ones of 0, which dimod keeps or not, and the offset."""
    linear = {variable: bias for variable, bias in model.linear.items() if bias}
    return linear, {frozenset(pair): bias for pair, bias in model.quadratic.items()}, float(model.offset)

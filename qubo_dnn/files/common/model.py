"""The models that files contain: a model as in the file, and its sense."""

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
        bqm: the objective, in the sense of the file.
        sense: "min" or "max", the sense of the objective.

    Example:
        >>> model = Model(dimod.BinaryQuadraticModel({"a": 1.0}, {}, "BINARY"), sense="max")
        >>> model.bqm.num_variables, model.sense
        (1, 'max')
    """

    bqm: dimod.BinaryQuadraticModel
    sense: ObjectiveSense = "min"


@dataclass(frozen=True, eq=False)
class ConstrainedModel:
    """A model with constraints, over binary, spin and integer variables.

    Attributes:
        cqm: the program; its objective is in the sense of the file, although dimod always minimises.
        sense: "min" or "max", the sense of the objective.
        notes: changes and omissions of the reader, one line each.

    Example:
        >>> program = ConstrainedModel(dimod.ConstrainedQuadraticModel(), sense="max")
        >>> program.sense, program.notes
        ('max', ())
    """

    cqm: dimod.ConstrainedQuadraticModel
    sense: ObjectiveSense = "min"
    notes: tuple[str, ...] = ()


def as_model(program: ConstrainedModel) -> Model | None:
    """Convert a program without constraints, all BINARY or all SPIN, to a model; None for other programs.

    Example:
        >>> cqm = dimod.ConstrainedQuadraticModel()
        >>> cqm.set_objective(dimod.Binary("a") * dimod.Binary("b"))
        >>> as_model(ConstrainedModel(cqm)).bqm.num_interactions
        1
    """
    kinds = {program.cqm.vartype(variable) for variable in program.cqm.variables}
    if program.cqm.constraints or len(kinds) > 1 or not kinds <= {dimod.BINARY, dimod.SPIN}:
        return None
    bqm = dimod.BinaryQuadraticModel(kinds.pop() if kinds else dimod.BINARY)
    # Add all variables in the order of the program, because those without a bias are not in the objective.
    bqm.add_linear_from(dict.fromkeys(program.cqm.variables, 0.0))
    bqm.add_linear_from(dict(program.cqm.objective.linear))
    bqm.add_quadratic_from(dict(program.cqm.objective.quadratic))
    bqm.offset = program.cqm.objective.offset
    return Model(bqm, program.sense)


def minimised(model: Model) -> Model:
    """Return a model with the same best states that is minimised: a maximised objective is negated.

    Example:
        >>> model = Model(dimod.BinaryQuadraticModel({"a": 1.0}, {}, "BINARY"), sense="max")
        >>> float(minimised(model).bqm.linear["a"])
        -1.0
    """
    if model.sense == "min":
        return model
    bqm = model.bqm.copy()
    bqm.scale(-1.0)
    return Model(bqm)


def same_model(one: Model, other: Model) -> bool:
    """Return whether two models have the same sense, vartype, ordered variables, biases and offset, bit for bit.

    Example:
        >>> one, other = (Model(dimod.BinaryQuadraticModel({"a": bias}, {}, "BINARY")) for bias in (1.0, 2.0))
        >>> same_model(one, one), same_model(one, other)
        (True, False)
    """
    return (
        one.sense == other.sense
        and one.bqm.vartype is other.bqm.vartype
        and list(one.bqm.variables) == list(other.bqm.variables)
        and all(type(u) is type(v) for u, v in zip(one.bqm.variables, other.bqm.variables, strict=True))
        and bool(one.bqm == other.bqm)
    )


def plain_label(label: object, form: str) -> int | str:
    """Return a label if a text file can represent it.

    Args:
        label: the label.
        form: suffix of the format, for the message.

    Raises:
        UnsupportedProblemError: the label is neither an integer nor a text.

    Example:
        >>> plain_label("x1", ".coo")
        'x1'
        >>> plain_label(None, ".coo")
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.UnsupportedProblemError: .coo files carry integers and texts as labels, not None; relabel first
    """
    if isinstance(label, int | str) and not isinstance(label, bool):
        return label
    raise UnsupportedProblemError(f"{form} files carry integers and texts as labels, not {label!r}; relabel first")


def same_program(one: ConstrainedModel, other: ConstrainedModel) -> bool:
    """Return whether two programs have the same sense, variables, objective and constraints, in the same order.

    Example:
        >>> one = ConstrainedModel(dimod.ConstrainedQuadraticModel())
        >>> same_program(one, ConstrainedModel(dimod.ConstrainedQuadraticModel(), sense="max"))
        False
    """
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
    """Return biases and offset, without linear biases of 0, which dimod may keep or drop."""
    linear = {variable: bias for variable, bias in model.linear.items() if bias}
    return linear, {frozenset(pair): bias for pair, bias in model.quadratic.items()}, float(model.offset)

"""What a file of a model holds: the model as it stands there, and whether it is minimised or maximised."""

from __future__ import annotations

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
class Program:
    """A model with constraints, over binary, spin and integer variables.

    Attributes:
        cqm: its objective is in its own sense, whatever dimod makes of it.
        sense: "min" or "max".
    """

    cqm: dimod.ConstrainedQuadraticModel
    sense: ObjectiveSense = "min"


def same_model(one: Model, other: Model) -> bool:
    """Whether both have the same sense, vartype, variables in the same order, biases and offset, bit for bit."""
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

"""Encodings by name, as on the command line: `binary`, `bounded-coefficient:8`, `slack:unary`, `unbalanced`, ..."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import dimod

from qubo_dnn.constraint import Constraint
from qubo_dnn.encodings.binary import binary
from qubo_dnn.encodings.bounded_coefficient import bounded_coefficient
from qubo_dnn.encodings.domain_wall import domain_wall
from qubo_dnn.encodings.integer import IntegerEncoding
from qubo_dnn.encodings.one_hot import one_hot
from qubo_dnn.encodings.slack import with_slack
from qubo_dnn.encodings.unary import unary
from qubo_dnn.encodings.unbalanced import unbalanced
from qubo_dnn.errors import OptionError, suggestion
from qubo_dnn.problem import Problem
from qubo_dnn.support.arguments import checked

INTEGERS: Mapping[str, IntegerEncoding] = {
    "binary": binary,
    "unary": unary,
    "one-hot": one_hot,
    "domain-wall": domain_wall,
}
BOUNDED = "bounded-coefficient"
LAGRANGIAN, SLACK, UNBALANCED = "lagrangian", "slack", "unbalanced"


@checked
def integer_encoding(name: str) -> IntegerEncoding:
    """Return the integer encoding of that name; `bounded-coefficient:8` includes the bound.

    Raises:
        OptionError: no encoding has that name, or the bound is not an integer >= 1.
        ArgumentError: the name is not a string.

    Example:
        >>> integer_encoding("bounded-coefficient:2")("n", 0, 6).coefficients
        {'n[0]': 1, 'n[1]': 2, 'n[2]': 2, 'n[3]': 1}
    """
    kind, colon, argument = name.partition(":")
    if kind == BOUNDED:
        if not argument.isdecimal() or int(argument) < 1:
            raise OptionError(f"{BOUNDED} takes the largest coefficient, as in {BOUNDED}:8, not {name!r}")
        return bounded_coefficient(int(argument))
    if kind not in INTEGERS or colon:
        raise OptionError(f"unknown integer encoding {name!r}{suggestion(kind, [*INTEGERS, BOUNDED])}")
    return INTEGERS[kind]


@dataclass(frozen=True)
class EncodedProblem:
    """A problem whose inequalities are encoded without multipliers.

    Attributes:
        problem: problem over the original variables and the slack variables. Equalities replace the encoded
            inequalities, with the same labels.
        models: constraint -> its penalty model, if that is not `Constraint.penalty`.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4)
        >>> EncodedProblem(knapsack.compile()).models
        {}
    """

    problem: Problem[Any]
    models: Mapping[str, dimod.BinaryQuadraticModel] = field(default_factory=dict)


@checked
def check_inequalities(name: str) -> None:
    """Refuse an unknown encoding of inequalities, even if the problem would not use it.

    Raises:
        OptionError: no encoding has that name.
        ArgumentError: the name is not a string.

    Example:
        >>> check_inequalities("slack:unary")
        >>> check_inequalities("slak")
        Traceback (most recent call last):
        qubo_dnn.errors.OptionError: unknown encoding of inequalities 'slak'; did you mean 'slack'?
    """
    kind, _, argument = name.partition(":")
    if kind == SLACK:
        integer_encoding(argument or "binary")
    elif name not in (LAGRANGIAN, UNBALANCED):
        raise OptionError(
            f"unknown encoding of inequalities {name!r}{suggestion(kind, [LAGRANGIAN, SLACK, UNBALANCED])}"
        )


def encode_inequalities(problem: Problem[Any], name: str) -> EncodedProblem:
    """Encode the linear inequalities that have no penalty model.

    Args:
        problem: with `lagrangian` it stays unchanged.
        name: `lagrangian`, `slack` (binary), `slack:ENCODING` or `unbalanced`.

    Raises:
        OptionError: no encoding has that name.
        UnsupportedProblemError: an inequality does not suit the encoding.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4)
        >>> encoded = encode_inequalities(knapsack.compile(), "slack").problem
        >>> encoded.constraints["capacity"].sense, len(encoded.variables)
        ('==', 6)
    """
    check_inequalities(name)
    kind, _, argument = name.partition(":")
    lacking = {label: each for label, each in problem.constraints.items() if each.penalty is None}
    if name == UNBALANCED:
        return EncodedProblem(problem, {label: unbalanced(label, each) for label, each in lacking.items()})
    if kind == SLACK:
        return EncodedProblem(_with_slacks(problem, lacking, integer_encoding(argument or "binary")))
    return EncodedProblem(problem)


def _with_slacks(
    problem: Problem[Any], inequalities: Mapping[str, Constraint], encoding: IntegerEncoding
) -> Problem[Any]:
    objective, one_hots, constraints = problem.objective.copy(), dict(problem.one_hot), dict(problem.constraints)
    for label, constraint in inequalities.items():
        constraints[label], slack = with_slack(label, constraint, encoding)
        objective.add_linear_from(dict.fromkeys(slack.coefficients, 0.0))
        if slack.one_hot:
            one_hots[f"slack of {label}"] = slack.one_hot
        if slack.valid:
            constraints[f"slack of {label}"] = slack.valid
    # The start says nothing of slack variables.
    return replace(problem, objective=objective, one_hot=one_hots, constraints=constraints, penalties={}, start=None)

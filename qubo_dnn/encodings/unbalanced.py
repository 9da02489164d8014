"""Unbalanced penalization: inequalities without slack variables.

The penalty `l2 h^2 - l1 h` favours `h = b - a x >= 0`. For l1 = 1 and l2 = 1/2 it is the second-order expansion of
`exp(-h)`: small for small positive h, large for negative h. It adds no variables, but it is not zero in feasible
states, so the optimum of the model may differ from that of the problem. Samples are repaired and checked against the
constraint.

Source: Montanez-Barrera, Willsch, Maldonado-Romo & Michielsen 2024, "Unbalanced penalization: a new approach to encode
inequality constraints of combinatorial problems for quantum optimization algorithms".
"""

from __future__ import annotations

import dimod

from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import UnsupportedProblemError


def unbalanced(
    name: str, constraint: Constraint, linear: float = 1.0, square: float = 0.5
) -> dimod.BinaryQuadraticModel:
    """Return the penalty `square * h^2 - linear * h`, where h is the unused part of the right side, in its unit.

    Args:
        name: label of the constraint, for the error.
        constraint: a linear inequality.
        linear: l1 >= 0.
        square: l2 > 0.

    Raises:
        UnsupportedProblemError: the left side is quadratic.

    Example:
        >>> weight = dimod.BinaryQuadraticModel({"a": 3.0, "b": 4.0}, {}, 0.0, "BINARY")
        >>> penalty = unbalanced("capacity", Constraint(weight, "<=", 5.0))
        >>> float(penalty.energy({"a": 0, "b": 1})), float(penalty.energy({"a": 1, "b": 1}))
        (-0.5, 4.0)
    """
    if not constraint.is_linear:
        raise UnsupportedProblemError(f"the constraint {name!r} is quadratic; unbalanced penalties serve linear ones")
    sign = constraint.sign
    # h = room - terms
    terms = [(variable, sign * float(bias)) for variable, bias in constraint.lhs.linear.items()]
    room = sign * (constraint.rhs - float(constraint.lhs.offset))
    model = dimod.BinaryQuadraticModel({v: linear * bias for v, bias in terms}, {}, -linear * room, dimod.BINARY)
    model.add_linear_equality_constraint(terms, square, -room)
    return model

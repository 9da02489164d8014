"""Unbalanced penalization: inequalities without slack variables.

`h = b - a x >= 0` is asked for by `l2 h^2 - l1 h`, the expansion of `exp(-h)` up to second order for l1 = 1 and
l2 = 1/2: small for small positive h, large for negative h. No variable is added, but the term is not zero on feasible
states, so the optimum of the model need not be that of the problem; samples are repaired and judged by the constraint
itself.

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
    """`square * h^2 - linear * h` for what the inequality leaves unused, h, in its own unit.

    Args:
        name: label of the constraint.
        constraint: a linear inequality.
        linear: l1 >= 0.
        square: l2 > 0.

    Raises:
        UnsupportedProblemError: the left side is quadratic.
    """
    if not constraint.is_linear:
        raise UnsupportedProblemError(f"the constraint {name!r} is quadratic; unbalanced penalties serve linear ones")
    sign = -1.0 if constraint.sense == ">=" else 1.0
    # h = room - terms
    terms = [(variable, sign * float(bias)) for variable, bias in constraint.lhs.linear.items()]
    room = sign * (constraint.rhs - float(constraint.lhs.offset))
    model = dimod.BinaryQuadraticModel({v: linear * bias for v, bias in terms}, {}, -linear * room, dimod.BINARY)
    model.add_linear_equality_constraint(terms, square, -room)
    return model

"""Inequalities as equalities with a slack integer, in any integer encoding.

`a x <= b` becomes `a x + g s = b'` with an integer s >= 0 and the unit g of the coefficients. This is exact. The
penalty `(a x + g s - b')^2` couples all variables of the constraint with each other and with the slack.

Source: Lucas 2014, "Ising formulations of many NP problems", section 5; Glover, Kochenberger & Du 2019, "Quantum bridge
analytics I".
"""

from __future__ import annotations

from fractions import Fraction
from math import floor, gcd, lcm

import dimod
import numpy as np

from qubo_dnn.constraint import Constraint
from qubo_dnn.encodings.integer import EncodedInteger, IntegerEncoding
from qubo_dnn.errors import UnsupportedProblemError

# Coefficients count as multiples of a common unit if they are fractions with denominators up to this.
_DENOMINATOR = 10**6


def with_slack(name: str, constraint: Constraint, encoding: IntegerEncoding) -> tuple[Constraint, EncodedInteger]:
    """Turn an inequality into an equality with slack: the inequality holds if and only if some slack satisfies it.

    Args:
        name: label of the constraint; slack variables are named `slack[name][k]`.
        constraint: a linear inequality.
        encoding: encoding of the slack, from 0 to the number of units that the left side can leave unused.

    Returns:
        The equality, in units of the coefficients, and its slack.

    Raises:
        UnsupportedProblemError: the left side is quadratic, or its coefficients are not multiples of a common unit.

    Example:
        >>> from qubo_dnn.encodings.binary import binary
        >>> weight = dimod.BinaryQuadraticModel({"a": 30.0, "b": 20.0}, {}, 0.0, "BINARY")
        >>> equality, slack = with_slack("capacity", Constraint(weight, "<=", 40.0), binary)
        >>> equality.rhs, slack.coefficients
        (4.0, {'slack[capacity][0]': 1, 'slack[capacity][1]': 2, 'slack[capacity][2]': 1})
    """
    if not constraint.is_linear:
        raise UnsupportedProblemError(f"the constraint {name!r} is quadratic; slack serves linear inequalities")
    sign = constraint.sign
    biases = {variable: sign * float(bias) for variable, bias in constraint.lhs.linear.items() if bias}
    room = sign * (constraint.rhs - float(constraint.lhs.offset))
    unit = common_unit(name, list(biases.values()))
    least = sum(min(0, round(bias / unit)) for bias in biases.values())
    # Number of units within the right side.
    allowed = floor(Fraction(room + constraint.tolerance) / unit)
    slack = encoding(f"slack[{name}]", 0, max(allowed - least, 0))
    terms = {v: float(round(bias / unit)) for v, bias in biases.items()}
    terms |= {v: float(weight) for v, weight in slack.coefficients.items()}
    lhs = dimod.BinaryQuadraticModel(terms, {}, 0.0, dimod.BINARY)
    return Constraint(lhs, "==", float(allowed)), slack


def common_unit(name: str, biases: list[float]) -> Fraction:
    """Return the largest number that divides all biases; 1 without biases.

    Args:
        name: label of the constraint, for the error.
        biases: non-zero biases.

    Raises:
        UnsupportedProblemError: the biases are not multiples of a common unit.

    Example:
        >>> common_unit("capacity", [0.5, 0.75])
        Fraction(1, 4)
    """
    exact = [Fraction(bias).limit_denominator(_DENOMINATOR) for bias in biases]
    for bias, fraction in zip(biases, exact, strict=True):
        if not np.isclose(float(fraction), bias, rtol=1e-12, atol=0.0):
            raise UnsupportedProblemError(
                f"the constraint {name!r} has the coefficient {bias!r}, not a fraction with a denominator up to "
                f"{_DENOMINATOR}; slack needs coefficients with a common unit"
            )
    if not exact:
        return Fraction(1)
    denominator = lcm(*(fraction.denominator for fraction in exact))
    return Fraction(gcd(*(int(fraction * denominator) for fraction in exact)), denominator)

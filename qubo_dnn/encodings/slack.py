"""Inequalities as equalities with a slack integer, in any integer encoding.

`a x <= b` becomes `a x + g s = b'` with an integer s >= 0 and the unit g of the
coefficients: exact, and kept by the penalty
`(a x + g s - b')^2`, which couples all variables of the constraint with each other and with the slack.

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

# Coefficients are taken for multiples of a common unit if they are fractions with denominators up to this.
_DENOMINATOR = 10**6


def with_slack(name: str, constraint: Constraint, encoding: IntegerEncoding) -> tuple[Constraint, EncodedInteger]:
    """The equality that holds for some slack exactly where the inequality holds, and its slack.

    Args:
        name: label of the constraint; slack variables are called `slack[name][k]`.
        constraint: a linear inequality.
        encoding: of the slack, a number of units from 0 to what the left side can leave unused.

    Raises:
        UnsupportedProblemError: the left side is quadratic, or its coefficients are not multiples of a common unit.
    """
    if not constraint.is_linear:
        raise UnsupportedProblemError(f"the constraint {name!r} is quadratic; slack serves linear inequalities")
    sign = -1.0 if constraint.sense == ">=" else 1.0
    biases = {variable: sign * float(bias) for variable, bias in constraint.lhs.linear.items() if bias}
    room = sign * (constraint.rhs - float(constraint.lhs.offset))
    unit = common_unit(name, list(biases.values()))
    least = sum(min(0, round(bias / unit)) for bias in biases.values())
    # Units that the right side allows; the 1e-9 is the tolerance of `Constraint.excess`.
    allowed = floor(Fraction(room + 1e-9 * max(1.0, abs(constraint.rhs))) / unit)
    slack = encoding(f"slack[{name}]", 0, max(allowed - least, 0))
    terms = {v: float(round(bias / unit)) for v, bias in biases.items()}
    terms |= {v: float(weight) for v, weight in slack.coefficients.items()}
    lhs = dimod.BinaryQuadraticModel(terms, {}, 0.0, dimod.BINARY)
    return Constraint(lhs, "==", float(allowed)), slack


def common_unit(name: str, biases: list[float]) -> Fraction:
    """The largest number that all biases are integer multiples of; 1 where there are none.

    Args:
        name: label of the constraint, for the error.
        biases: none of them 0.

    Raises:
        UnsupportedProblemError: they are not multiples of a common unit.
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

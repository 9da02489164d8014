"""Domain-wall encoding: ones followed by zeros; the position of the wall between them is the value.

`x = low + sum of b[k]` with `b[k+1] <= b[k]`, kept by `sum of b[k+1] (1 - b[k]) <= 0`. It needs one variable fewer than
one-hot, couples variables only along a chain, and adjacent values differ by one flip.

Source: Chancellor 2019, "Domain wall encoding of discrete variables for quantum annealing and QAOA".
"""

from __future__ import annotations

from itertools import pairwise

import dimod

from qubo_dnn.constraint import Constraint
from qubo_dnn.encodings.integer import EncodedInteger, names, width


def domain_wall(label: str, low: int, high: int) -> EncodedInteger:
    """Encode an integer by high - low variables; see the module for the formula.

    Args:
        label: prefix of the variables `label[0]`, `label[1]`, ...
        low: smallest value.
        high: largest value.

    Raises:
        FormulationError: `high` is less than `low`, or the range needs more than 100,000 variables.

    Example:
        >>> number = domain_wall("n", 1, 4)
        >>> number.value({"n[0]": 1, "n[1]": 1, "n[2]": 0})
        3
        >>> float(number.valid.lhs.energy({"n[0]": 0, "n[1]": 1, "n[2]": 0}))
        1.0
    """
    variables = names(label, width(low, high, per_value=True))
    walls = dimod.BinaryQuadraticModel(dict.fromkeys(variables[1:], 1.0), {}, 0.0, dimod.BINARY)
    walls.add_quadratic_from(dict.fromkeys(pairwise(variables), -1.0))
    valid = Constraint(walls, "<=", 0.0, one_sided=True) if len(variables) > 1 else None
    return EncodedInteger(low, dict.fromkeys(variables, 1), valid=valid)

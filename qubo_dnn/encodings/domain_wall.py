"""Domain-wall encoding: ones, then zeros; the value is where the wall between them stands.

`x = low + sum of b[k]` where `b[k+1] <= b[k]`, kept by `sum of b[k+1] (1 - b[k]) <= 0`: one variable fewer than
one-hot, couplings along a chain only, and neighbouring values are one flip apart.

Source: Chancellor 2019, "Domain wall encoding of discrete variables for quantum annealing and QAOA".
"""

from __future__ import annotations

from itertools import pairwise

import dimod

from qubo_dnn.constraint import Constraint
from qubo_dnn.encodings.integer import EncodedInteger, names, width


def domain_wall(label: str, low: int, high: int) -> EncodedInteger:
    """See the module; high - low variables."""
    variables = names(label, width(low, high, per_value=True))
    walls = dimod.BinaryQuadraticModel(dict.fromkeys(variables[1:], 1.0), {}, 0.0, dimod.BINARY)
    walls.add_quadratic_from(dict.fromkeys(pairwise(variables), -1.0))
    valid = Constraint(walls, "<=", 0.0, one_sided=True) if len(variables) > 1 else None
    return EncodedInteger(low, dict.fromkeys(variables, 1), valid=valid)

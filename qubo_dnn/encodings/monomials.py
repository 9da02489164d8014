"""Products of several variables as minima over auxiliary variables, which need neither a constraint nor a weight.

Every product has auxiliary variables of its own: one if its coefficient is negative, (d - 1) // 2 of degree d if it is
positive. Their best values follow from the factors, and a wrong value costs about as much as the product itself; with
Rosenberg's products (`qubo_dnn.encodings.rosenberg`) it costs a penalty that must outweigh all coefficients, behind
which samplers get stuck.

Source: Freedman & Drineas 2005, "Energy minimization via graph cuts: settling what is possible" (negative); Ishikawa
    2011, "Transformation of general binary MRF minimization to the first-order case" (positive).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import dimod

from qubo_dnn.problem import Variable


def monomial(factors: Iterable[Variable], coefficient: float, label: str) -> dimod.BinaryQuadraticModel:
    """Return a model whose minimum over its auxiliary variables is `coefficient` times the product of the factors.

    Args:
        factors: d different variables; without any, the product is 1.
        coefficient: any number.
        label: the auxiliary variables are `label[0]`, `label[1]`, ...; there are none for d <= 2.

    Example:
        >>> cubic = monomial(["x", "y", "z"], 2.0, "w")
        >>> [float(cubic.energy({"x": 1, "y": 1, "z": z, "w[0]": w})) for z in (0, 1) for w in (0, 1)]
        [2.0, 0.0, 6.0, 2.0]
    """
    names = list(factors)
    degree = len(names)
    auxiliaries: list[tuple[float, float]] = []
    model = dimod.BinaryQuadraticModel(dict.fromkeys(names, 0.0), {}, 0.0, dimod.BINARY)
    if degree == 0:
        model.offset = coefficient
    elif degree == 1:
        model.add_linear(names[0], coefficient)
    elif degree == 2:
        model.add_quadratic(names[0], names[1], coefficient)
    elif coefficient < 0.0:
        auxiliaries = [(coefficient * (1.0 - degree), coefficient)]
    else:
        for one, other in combinations(names, 2):
            model.add_quadratic(one, other, coefficient)
        count = (degree - 1) // 2
        slopes = [1.0 if degree % 2 and k == count else 2.0 for k in range(1, count + 1)]
        auxiliaries = [
            (coefficient * (2.0 * k * slope - 1.0), -coefficient * slope) for k, slope in enumerate(slopes, start=1)
        ]
    for k, (own, slope) in enumerate(auxiliaries):
        model.add_linear(f"{label}[{k}]", own)
        for name in names:
            model.add_quadratic(f"{label}[{k}]", name, slope)
    return model

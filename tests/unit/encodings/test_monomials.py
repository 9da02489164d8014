"""Products as minima over auxiliary variables."""

from __future__ import annotations

from itertools import product

import pytest

from qubo_dnn.encodings.monomials import monomial


@pytest.mark.parametrize("degree", range(7))
@pytest.mark.parametrize("coefficient", [2.5, -1.5, 0.0])
def test_the_minimum_is_the_product(degree: int, coefficient: float) -> None:
    factors = [f"x{k}" for k in range(degree)]
    model = monomial(factors, coefficient, "w")
    auxiliaries = [variable for variable in model.variables if variable not in factors]
    assert len(auxiliaries) == (0 if degree < 3 else 1 if coefficient < 0 else (degree - 1) // 2)
    for values in product((0, 1), repeat=degree):
        state = dict(zip(factors, values, strict=True))
        least = min(
            float(model.energy({**state, **dict(zip(auxiliaries, others, strict=True))}))
            for others in product((0, 1), repeat=len(auxiliaries))
        )
        assert least == pytest.approx(coefficient * all(values))

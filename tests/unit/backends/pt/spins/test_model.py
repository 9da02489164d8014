"""The arrays hold exactly the caller's model, in a unit and a precision that lose nothing."""

from __future__ import annotations

import dimod
import numpy as np
import pytest

from qubo_backends._pt.spins.model import from_couplings, spin_model


@pytest.mark.parametrize("extra", [0, 40], ids=["dense", "sparse"])
def test_energies_and_fields_are_the_models(extra: int) -> None:
    rng = np.random.default_rng(0)
    n = 6 + extra
    couplings = {(i, j): rng.normal() for i in range(6) for j in range(i)}
    bqm = dimod.BinaryQuadraticModel(dict(enumerate(rng.normal(size=n))), couplings, 2.5, "SPIN")
    model = spin_model(bqm)
    assert model.dense == (extra == 0)
    states = rng.choice(np.array([-1, 1]), (5, n))
    for state, fields in zip(states, model.local_fields(states), strict=True):
        assert model.unit * model.energy(state) + 2.5 == pytest.approx(bqm.energy(state))
        flipped = [bqm.energy(np.where(np.arange(n) == i, -state, state)) - bqm.energy(state) for i in range(n)]
        np.testing.assert_allclose(-2.0 * model.unit * state * fields, flipped, atol=1e-12)


@pytest.mark.parametrize(
    ("values", "whole", "unit"),
    [([1.0, -3.0], True, 1.0), ([0.5, 1.0], True, 0.5), ([0.25, -2.0], True, 0.25), ([0.1, 1.0], False, 1.0)],
)
def test_whole_numbers_are_noticed_in_quarters_too(values: list[float], whole: bool, unit: float) -> None:
    model = from_couplings(np.array(values), np.zeros((2, 2)))
    assert (model.whole, model.unit) == (whole, unit)
    np.testing.assert_array_equal(model.own * model.unit, values)


def test_large_whole_numbers_are_no_longer_exact_in_float32() -> None:
    model = from_couplings(np.array([2.0**25, 1.0]), np.zeros((2, 2)))
    assert not model.whole
    assert model.precision(1e-8) is np.float64
    assert model.precision(1.0) is np.float32


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_extreme_coefficients_are_brought_near_1(scale: float) -> None:
    model = from_couplings(np.array([0.3 * scale, -scale]), np.zeros((2, 2)))
    assert 1.0 <= np.abs(model.own).max() < 2.0
    np.testing.assert_array_equal(model.own * model.unit, [0.3 * scale, -scale])

"""The quadratic model in both its forms."""

from __future__ import annotations

import numpy as np
import pytest

from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel

RNG = np.random.default_rng(0)
FACTOR = RNG.normal(size=(6, 4)).astype(np.float32)
LINEAR = RNG.normal(size=6)
FORMS = [
    QuadraticLossModel(factor=FACTOR, linear=LINEAR, offset=0.5),
    QuadraticLossModel(matrix=FACTOR @ FACTOR.T, linear=LINEAR, offset=0.5),
]


@pytest.mark.parametrize("model", FORMS, ids=["factor", "matrix"])
def test_both_forms_are_the_same_model(model: QuadraticLossModel) -> None:
    matrix, x = FACTOR.astype(float) @ FACTOR.T, np.array([1, 0, 0, 0, 1, 0])
    np.testing.assert_allclose(model.diagonal(), np.diag(matrix), rtol=1e-5)
    np.testing.assert_allclose(model.product(x), matrix @ x, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(model.product(np.eye(6)), matrix, rtol=1e-5, atol=1e-5)
    assert model.increase(x) == pytest.approx(0.5 + LINEAR @ x + x @ matrix @ x / 2, rel=1e-5)


def test_exactly_one_form_of_the_right_size() -> None:
    for arguments in ({}, {"matrix": np.eye(6), "factor": FACTOR}, {"factor": FACTOR[:5]}):
        with pytest.raises(ValueError, match="a matrix or a factor"):
            QuadraticLossModel(linear=LINEAR, **arguments)

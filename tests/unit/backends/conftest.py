"""Small models for the tests of the backends."""

from __future__ import annotations

from collections.abc import Callable

import dimod
import numpy as np
import pytest

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]


@pytest.fixture
def random_bqm() -> RandomBqm:
    """Makes a model with normally distributed biases of both signs."""

    def make(
        n: int, seed: int, vartype: str = "BINARY", scale: float = 1.0, density: float = 1.0
    ) -> dimod.BinaryQuadraticModel:
        rng = np.random.default_rng(seed)
        rows, columns = np.triu_indices(n, 1)
        kept = rng.random(len(rows)) < density
        couplings = (rows[kept], columns[kept], scale * rng.normal(size=kept.sum()))
        linear = scale * rng.normal(size=n)
        return dimod.BinaryQuadraticModel.from_numpy_vectors(linear, couplings, scale * rng.normal(), vartype)

    return make


@pytest.fixture
def ising() -> Callable[[int, int], tuple[np.ndarray, np.ndarray]]:
    """Makes fields and couplings with normally distributed biases, from the number of spins and a seed."""

    def make(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        upper = np.triu(rng.normal(size=(n, n)), 1)
        return rng.normal(size=n), upper + upper.T

    return make

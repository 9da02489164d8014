"""Spin models for the tests of parallel tempering, and the exact distribution over their states."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from numpy.typing import NDArray

from qubo_backends._pt.spins.model import SpinModel, from_couplings

Misfit = Callable[[NDArray[np.int8], SpinModel, float], float]


@pytest.fixture(scope="session")
def random_spins() -> Callable[..., SpinModel]:
    """Models with normally distributed fields and couplings, or whole ones, times a scale."""

    def make(
        n: int, seed: int, *, density: float = 1.0, dense: bool = False, whole: bool = False, scale: float = 1.0
    ) -> SpinModel:
        rng = np.random.default_rng(seed)
        values = rng.integers(-3, 4, (n, n)).astype(float) if whole else rng.normal(size=(n, n))
        upper = scale * np.triu(values * (rng.random((n, n)) < density), 1)
        own = scale * (rng.integers(-2, 3, n).astype(float) if whole else rng.normal(size=n))
        matrix = upper + upper.T
        return from_couplings(own, matrix if dense else scipy.sparse.csr_array(matrix))

    return make


@pytest.fixture(scope="session")
def misfit() -> Misfit:
    """p-value of the hypothesis that independent states [k, n] are drawn at an inverse temperature."""

    def p_value(states: NDArray[np.int8], model: SpinModel, beta: float) -> float:
        possible = np.array(list(itertools.product((-1, 1), repeat=model.n)), np.int8)
        energies = np.array([model.energy(state) for state in possible])
        weights = np.exp(-beta * (energies - energies.min()))
        powers = 2 ** np.arange(model.n)[::-1]
        counts = np.bincount((states > 0) @ powers, minlength=len(possible)).astype(float)
        expected = len(states) * weights / weights.sum()
        # The statistic needs some states in every class: rare ones are taken together.
        rare = expected < 5.0
        observed = np.append(counts[~rare], counts[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
        filled = expected > 0.0
        assert not observed[~filled].any()
        return float(scipy.stats.chisquare(observed[filled], expected[filled]).pvalue)

    return p_value

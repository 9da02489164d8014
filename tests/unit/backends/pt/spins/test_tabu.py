"""Tabu search never returns worse than its start, knows the energy of what it returns, and leaves local minima."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qubo_backends._pt.spins.model import SpinModel, from_couplings
from qubo_backends._pt.spins.tabu import tabu_search

RandomSpins = Callable[..., SpinModel]


def search(model: SpinModel, state: Any, patience: int, seed: int = 1) -> tuple[Any, float]:
    """The best state and its energy."""
    spins = state.astype(float)
    best, rests, random = np.zeros(model.n, np.int8), np.zeros(model.n, np.int32), np.array([seed], np.uint64)
    couplings = model.kernel_couplings(np.float64, np.float64)
    energy, flips = tabu_search(couplings, spins, np.empty(model.n), model.least_gain, patience, random, rests, best)
    assert flips >= patience
    return best, energy


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("n", [1, 2, 12])
def test_small_models_are_solved(random_spins: RandomSpins, n: int, dense: bool) -> None:
    for seed in range(10):
        model = random_spins(n, seed, dense=dense)
        states = np.array(np.meshgrid(*[[-1, 1]] * n)).reshape(n, -1).T
        least = min(model.energy(state) for state in states)
        start = np.random.default_rng(seed).choice(np.array([-1, 1]), n)
        best, energy = search(model, start, 500)
        assert energy == pytest.approx(model.energy(best)) == pytest.approx(least)


def test_it_leaves_a_local_minimum_over_an_uphill_flip() -> None:
    # Two spins that want to be alike, and up: from both down, each flip alone costs.
    model = from_couplings(np.array([-1.0, -1.0]), np.array([[0.0, -3.0], [-3.0, 0.0]]))
    down = np.array([-1, -1])
    assert (down * model.local_fields(down[None])[0] < 0).all()
    best, energy = search(model, down, 20)
    assert best.tolist() == [1, 1]
    assert energy == -5.0


def test_more_patience_is_never_worse(random_spins: RandomSpins) -> None:
    model = random_spins(80, 3, dense=True)
    start = np.random.default_rng(0).choice(np.array([-1, 1]), 80)
    energies = [search(model, start, patience)[1] for patience in (1, 10, 100, 1000)]
    assert energies == sorted(energies, reverse=True)
    assert energies[-1] < energies[0] < model.energy(start)

"""Temperatures follow the model's scale, exchange evenly once they are spaced, and round trips are counted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from qubo_backends._pt.ladder import Ladder, exchange, new_ladder, space_evenly
from qubo_backends._pt.spins.descent import descend_all, temperature_range
from qubo_backends._pt.spins.model import SpinModel, from_couplings
from qubo_backends._shared.jit import compiled

RandomSpins = Callable[..., SpinModel]


@compiled
def offer_exchanges(ladder: Ladder, sweep: int) -> None:
    """Only compiled code can call the step itself."""
    exchange(ladder, sweep)


@pytest.mark.parametrize("scale", [1e-200, 1e-9, 1e9, 1e200])
def test_temperatures_scale_with_the_model(random_spins: RandomSpins, scale: float) -> None:
    model = random_spins(50, 1, dense=True)
    ranges = []
    for factor in (1.0, scale):
        scaled = from_couplings(model.own * factor, model.rows * factor)
        ranges.append(np.array(temperature_range(scaled, np.random.default_rng(0))) * scaled.unit / factor)
    np.testing.assert_allclose(ranges[1], ranges[0], rtol=1e-3)


def test_few_spins_of_a_local_minimum_move_when_it_is_coldest(random_spins: RandomSpins) -> None:
    model = random_spins(400, 2, density=0.05)
    cold, hot = temperature_range(model, np.random.default_rng(0))
    states = np.random.default_rng(1).choice(np.array([-1.0, 1.0]), (20, 400))
    fields = model.local_fields(states)
    descend_all(model.kernel_couplings(np.float64, np.float64), states, fields, model.least_gain)
    rate = np.exp(2.0 * states * fields / cold).mean()
    assert 2e-4 < rate < 5e-3
    assert 4.0 * cold <= hot < np.abs(fields).max()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_models_without_biases_get_a_usable_range(n: int) -> None:
    cold, hot = temperature_range(from_couplings(np.zeros(n), np.zeros((n, n))), np.random.default_rng(0))
    assert 0 < cold < hot < 10


def test_spacing_evens_out_exchanges() -> None:
    # Energies of n free spins in a field of 1: mean -n tanh(b), variance n / cosh(b)^2.
    rng, n, sweeps = np.random.default_rng(0), 300, 600
    ladder = new_ladder(1.0 / np.geomspace(0.1, 4.0, 10), np.ones(1, np.uint64))
    rates = []
    for window in range(4):
        for sweep in range(sweeps):
            up = rng.binomial(n, 1 / (1 + np.exp(-2 * ladder.betas)))
            ladder.energies[ladder.at] = n - 2.0 * up
            offer_exchanges(ladder, sweep)
        rates.append((ladder.accepted / np.maximum(ladder.offered, 1))[:-1])
        space_evenly(ladder, sweeps)
        assert (np.diff(ladder.betas) < 0).all()
        assert ladder.betas[[0, -1]] == pytest.approx([10.0, 0.25])
        assert not ladder.accepted.any(), window
    assert rates[0].min() < 0.05
    assert rates[-1].min() > 4 * rates[0].min()


def test_exchange_rates_are_those_of_detailed_balance() -> None:
    ladder = new_ladder(1.0 / np.geomspace(1.0, 2.0, 2), np.ones(1, np.uint64))
    ladder.energies[:] = [0.0, 1.0]
    for sweep in range(0, 40_000, 2):
        ladder.at[:] = [0, 1]
        offer_exchanges(ladder, sweep)
    # The cold one has less energy: accepted with exp((1 - 1/2) * (0 - 1)).
    assert ladder.accepted[0] / ladder.offered[0] == pytest.approx(np.exp(-0.5), abs=0.02)


def test_a_round_trip_goes_from_hottest_to_coldest() -> None:
    ladder = new_ladder(1.0 / np.geomspace(1.0, 4.0, 3), np.ones(1, np.uint64))
    # A replica of low energy sinks, one level a sweep, if the others stay out of its way.
    ladder.at[:] = [1, 2, 0]
    ladder.energies[:] = [-100.0, 0.0, 0.0]
    for sweep in (0, 1, 2):
        offer_exchanges(ladder, sweep)
    assert ladder.at[0] == 0
    assert ladder.trips[0] == 1
    assert ladder.headed[0] == 0

"""Temperatures follow the model's scale, exchange evenly once they are spaced, and round trips are counted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from qubo_backends._pt.ladder import Ladder, exchange, new_ladder, space_measured
from qubo_backends._pt.spins.descent import descend_all
from qubo_backends._pt.spins.model import SpinModel, from_couplings
from qubo_backends._pt.spins.sparse_engine import SparseEngine
from qubo_backends._pt.spins.temperatures import coldest_by_heat, temperature_range
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


def test_little_heat_is_taken_up_where_it_is_coldest(random_spins: RandomSpins) -> None:
    model = random_spins(400, 2, density=0.05)
    cold, hot = temperature_range(model, np.random.default_rng(0))
    states = np.random.default_rng(1).choice(np.array([-1.0, 1.0]), (20, 400))
    fields = model.local_fields(states)
    descend_all(model.kernel_couplings(np.float64, np.float64), states, fields, model.least_gain)
    gaps = -2.0 * states * fields
    assert 5e-5 < (gaps * np.exp(-gaps / cold)).sum() / gaps.sum() < 2e-4
    assert 4.0 * cold <= hot < np.abs(fields).max()


def test_spins_that_hardly_matter_do_not_set_the_coldest_temperature() -> None:
    rng = np.random.default_rng(0)
    changes, weak = 4.0 * rng.random(1000), 4e-6 * rng.random(1000)
    alone = coldest_by_heat(changes, 0.0, 10.0)
    assert coldest_by_heat(np.concatenate([changes, weak]), 0.0, 10.0) == pytest.approx(alone, rel=0.02)
    assert coldest_by_heat(weak, 0.0, 10.0) < 1e-5 * alone


@pytest.mark.parametrize("factor", [0.02, 5.0])
def test_the_coldest_temperature_is_found_from_any_first_guess(random_spins: RandomSpins, factor: float) -> None:
    model = random_spins(300, 2, density=0.05)
    found = []
    for guess in (1.0, factor):
        cold, hot = temperature_range(model, np.random.default_rng(0))
        engine = SparseEngine(
            model,
            np.float64,
            np.random.default_rng(1),
            temperatures=(min(cold * guess, hot / 4.0), hot),
            adapts=True,
            replicas=32,
            keep=1,
            states=None,
            target=-np.inf,
        )
        engine.advance(13_000)
        found.append(1.0 / engine.ladder.betas[0])
    assert found[1] == pytest.approx(found[0], rel=0.3)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_models_without_biases_get_a_usable_range(n: int) -> None:
    cold, hot = temperature_range(from_couplings(np.zeros(n), np.zeros((n, n))), np.random.default_rng(0))
    assert 0 < cold < hot < 10


@pytest.mark.parametrize("coldest", [None, 0.05, 0.2])
def test_spacing_evens_out_entropies_and_exchanges(coldest: float | None) -> None:
    # n free spins in a field of 1: their mean energy is -n tanh(b).
    rng, n, sweeps = np.random.default_rng(0), 300, 600
    ladder = new_ladder(1.0 / np.geomspace(0.1, 4.0, 10), np.ones(1, np.uint64))
    for _ in range(4):
        for sweep in range(sweeps):
            up = rng.binomial(n, 1 / (1 + np.exp(-2 * ladder.betas)))
            ladder.energies[ladder.at] = n - 2.0 * up
            offer_exchanges(ladder, sweep)
        space_measured(ladder, sweeps, coldest)
        assert (np.diff(ladder.betas) < 0).all()
        assert ladder.betas[[0, -1]] == pytest.approx([10.0 if coldest is None else 1.0 / coldest, 0.25])
        assert not ladder.accepted.any()
    betas = ladder.betas
    entropies = np.diff(n * (np.log(2 * np.cosh(betas)) - betas * np.tanh(betas)))
    exchanges = np.sqrt(-np.diff(betas) * np.diff(-n * np.tanh(betas)))
    steps = entropies / entropies.mean() + exchanges / exchanges.mean()
    assert steps[1:].max() < 1.2 * steps[1:].min()
    # What is frozen gets no more than one interval.
    assert steps[0] < 1.3 * steps[1:].max()
    assert betas[1] < 6.0


def test_a_ladder_that_measured_nothing_can_be_spaced() -> None:
    for count in (1, 2, 5):
        ladder = new_ladder(1.0 / np.geomspace(1.0, 8.0, count), np.ones(1, np.uint64))
        space_measured(ladder, 1, 0.5)
        assert ladder.betas[0] == 2.0
        assert (np.diff(ladder.betas) < 0).all()


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

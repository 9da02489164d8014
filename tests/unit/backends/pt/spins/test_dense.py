"""The dense kernel samples the Boltzmann distribution for every type of row, and its sums are the true ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from qubo_backends._pt.ladder import Ladder, new_ladder
from qubo_backends._pt.spins.dense import DenseReplicas, dense_replicas, row_type, sum_fields, temper_dense
from qubo_backends._pt.spins.model import SpinModel

RandomSpins = Callable[..., SpinModel]
Misfit = Callable[[NDArray[np.int8], SpinModel, float], float]
REPLICAS = 20_000


def prepared(
    model: SpinModel, betas: NDArray[np.float64], dtype: Any = np.float32, seed: int = 1
) -> tuple[DenseReplicas, Ladder]:
    """Replicas in random states, one at each inverse temperature."""
    rng = np.random.default_rng(seed)
    replicas = dense_replicas(model, len(betas), dtype, rng)
    replicas.spins[:, : model.n] = rng.choice(np.array([-1, 1]), (len(betas), model.n))
    ladder = new_ladder(betas, rng.integers(0, 2**64, size=1, dtype=np.uint64))
    sum_fields(replicas, ladder.energies)
    return replicas, ladder


@pytest.mark.parametrize(
    ("dense", "whole", "dtype", "rows"),
    [
        (True, True, np.float32, np.int8),
        (True, False, np.float32, np.float32),
        (True, False, np.float64, np.float64),
        (False, False, np.float32, np.float32),
    ],
)
@pytest.mark.parametrize("beta", [0.2, 0.4])
def test_one_temperature_is_sampled_as_boltzmann(
    random_spins: RandomSpins, misfit: Misfit, beta: float, dense: bool, whole: bool, dtype: Any, rows: Any
) -> None:
    model = random_spins(6, 4, density=0.9, dense=dense, whole=whole)
    replicas, ladder = prepared(model, np.full(REPLICAS, beta), dtype)
    assert replicas.couplings.rows.dtype == rows == row_type(model, dtype)
    temper_dense(replicas, ladder, 0, 80)
    assert misfit(replicas.spins[:, :6].astype(np.int8), model, beta) > 1e-3
    assert misfit(replicas.spins[:, :6].astype(np.int8), model, 0.7 * beta) < 1e-6


@pytest.mark.parametrize("n", [31, 32, 33, 70])
def test_blocks_of_any_length_are_swept_in_full(random_spins: RandomSpins, n: int) -> None:
    model = random_spins(n, 2, dense=True)
    replicas, ladder = prepared(model, np.full(40, 1e-6))
    before = replicas.spins.copy()
    temper_dense(replicas, ladder, 0, 1)
    # At such a temperature nearly every spin flips in every sweep.
    changed = (replicas.spins != before).mean(axis=0)
    assert changed[:n].min() > 0.6
    assert not changed[n:].any()


def test_exchanges_keep_every_temperature_as_boltzmann(random_spins: RandomSpins, misfit: Misfit) -> None:
    model = random_spins(6, 6, dense=True)
    betas = np.array([2.0, 1.0, 0.3])
    replicas, ladder = prepared(model, betas)
    drawn = []
    for k in range(6000):
        temper_dense(replicas, ladder, 15 * k, 15 * (k + 1))
        drawn.append(replicas.spins[ladder.at, :6].astype(np.int8))
    for t, beta in enumerate(betas):
        assert misfit(np.array(drawn)[:, t], model, beta) > 1e-3
    assert (ladder.accepted[:2] > 1000).all()
    assert ladder.trips[0] > 1000


@pytest.mark.parametrize(("whole", "tolerance"), [(True, 0.0), (False, 2e-3)])
@pytest.mark.parametrize("dense", [True, False])
def test_fields_and_energies_kept_along_the_way_are_the_true_ones(
    random_spins: RandomSpins, dense: bool, whole: bool, tolerance: float
) -> None:
    model = random_spins(75, 7, dense=dense, whole=whole)
    replicas, ladder = prepared(model, np.geomspace(3.0, 0.02, 10))
    temper_dense(replicas, ladder, 0, 100)
    assert replicas.flips[0] > 0
    kept = replicas.fields.copy(), ladder.energies.copy()
    sum_fields(replicas, ladder.energies)
    np.testing.assert_allclose(kept[0][:, :75], replicas.fields[:, :75], atol=tolerance)
    np.testing.assert_allclose(kept[1], ladder.energies, atol=100 * tolerance)
    states = replicas.spins[:, :75].astype(np.int8)
    np.testing.assert_allclose(ladder.energies, [model.energy(state) for state in states], atol=1e-3)
    np.testing.assert_allclose(replicas.fields[:, :75], model.local_fields(states), atol=1e-3)

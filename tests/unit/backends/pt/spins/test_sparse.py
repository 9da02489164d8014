"""The sparse kernel samples the Boltzmann distribution, cluster moves included, and its sums are the true ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._pt.ladder import Ladder, new_ladder
from qubo_backends._pt.spins.cluster_moves import clusters_pay
from qubo_backends._pt.spins.model import SpinModel, from_couplings
from qubo_backends._pt.spins.simd import LANES
from qubo_backends._pt.spins.sparse import (
    SWEEPS_BETWEEN_DESCENTS,
    SparseReplicas,
    sparse_replicas,
    sum_fields,
    temper_sparse,
)

RandomSpins = Callable[..., SpinModel]
Misfit = Callable[[NDArray[np.int8], SpinModel, float], float]
REPLICAS = 640 * LANES


def prepared(
    model: SpinModel, betas: NDArray[np.float64], clusters: int = 0, dtype: Any = np.float32, seed: int = 1
) -> tuple[SparseReplicas, Ladder]:
    """Replicas in random states, one at each inverse temperature."""
    rng = np.random.default_rng(seed)
    replicas = sparse_replicas(model, len(betas), dtype, 1 << 20, clusters, rng)
    replicas.spins[:] = rng.choice(np.array([-1, 1]), replicas.spins.shape)
    ladder = new_ladder(betas, rng.integers(0, 2**64, size=1, dtype=np.uint64))
    sum_fields(replicas, ladder.energies)
    return replicas, ladder


def states_of(replicas: SparseReplicas) -> NDArray[np.int8]:
    """[R, n]."""
    return replicas.spins.transpose(0, 2, 1).reshape(-1, replicas.couplings.own.size).astype(np.int8)


def small(replicas: SparseReplicas) -> SparseReplicas:
    """With room for the polished states of a hundred sweeps only."""
    return replace(replicas, polished=replicas.polished[:100], polished_energies=replicas.polished_energies[:100])


# Whole fields are stored as bytes, or as two where they are larger.
STORED = [(np.float32, 1.0, np.int8), (np.float32, 50.0, np.int16), (np.float32, 1.0, None), (np.float64, 1.0, None)]


@pytest.mark.parametrize(("dtype", "scale", "stored"), STORED)
@pytest.mark.parametrize("beta", [0.1, 0.3, 0.5])
def test_one_temperature_is_sampled_as_boltzmann(
    random_spins: RandomSpins, misfit: Misfit, beta: float, dtype: Any, scale: float, stored: Any
) -> None:
    model = random_spins(6, 3, density=0.6, whole=stored is not None, scale=scale)
    replicas, ladder = prepared(model, np.full(REPLICAS, beta / scale), dtype=dtype)
    assert replicas.spins.dtype == (stored or dtype)
    temper_sparse(small(replicas), ladder, 0, 80, model.least_gain, -np.inf)
    assert misfit(states_of(replicas), model, beta / scale) > 1e-3


def test_the_misfit_notices_a_slightly_wrong_temperature(random_spins: RandomSpins, misfit: Misfit) -> None:
    model = random_spins(6, 3, density=0.6)
    replicas, ladder = prepared(model, np.full(REPLICAS, 0.8))
    temper_sparse(small(replicas), ladder, 0, 80, model.least_gain, -np.inf)
    assert misfit(states_of(replicas), model, 0.75) < 1e-9


def test_clusters_keep_the_distribution_and_the_energies(random_spins: RandomSpins, misfit: Misfit) -> None:
    model = random_spins(6, 5, density=0.5)
    betas = np.linspace(1.0, 0.4, LANES)
    replicas, ladder = prepared(model, betas, clusters=LANES)
    drawn = []
    for sweep in range(8000):
        temper_sparse(small(replicas), ladder, sweep, sweep + 1, model.least_gain, -np.inf)
        if sweep % 8 == 0:
            drawn.append(states_of(replicas)[ladder.at])
    kept = ladder.energies.copy()
    sum_fields(replicas, ladder.energies)
    np.testing.assert_allclose(kept, ladder.energies, atol=1e-3)
    for t in (0, 10, 20, 31):
        assert misfit(np.array(drawn)[:, t], model, betas[t]) > 1e-3


def test_a_model_without_biases_visits_all_states_alike(misfit: Misfit) -> None:
    model = from_couplings(np.zeros(4), scipy.sparse.csr_array((4, 4)))
    replicas, ladder = prepared(model, np.ones(REPLICAS))
    replicas.spins[:] = 1
    temper_sparse(small(replicas), ladder, 0, 79, model.least_gain, -np.inf)
    assert misfit(states_of(replicas), model, 1.0) > 1e-3


@pytest.mark.parametrize(
    ("scale", "stored", "tolerance"), [(1.0, np.int8, 0.0), (50.0, np.int16, 0.0), (1.0, None, 2e-3)]
)
def test_fields_and_energies_kept_along_the_way_are_the_true_ones(
    random_spins: RandomSpins, scale: float, stored: Any, tolerance: float
) -> None:
    model = random_spins(60, 7, density=0.2, whole=stored is not None, scale=scale)
    replicas, ladder = prepared(model, np.geomspace(3.0, 0.2, 2 * LANES) / scale, clusters=4)
    assert replicas.fields.dtype == (stored or np.float32)
    temper_sparse(small(replicas), ladder, 0, 100, model.least_gain, -np.inf)
    assert replicas.flips[0] > 0
    kept = replicas.fields.copy(), ladder.energies.copy()
    sum_fields(replicas, ladder.energies)
    np.testing.assert_allclose(kept[0], replicas.fields, atol=tolerance)
    np.testing.assert_allclose(kept[1], ladder.energies, atol=100 * tolerance)
    states = states_of(replicas)
    true = [model.energy(state) for state in states]
    np.testing.assert_allclose(ladder.energies, true, atol=1e-3)
    np.testing.assert_allclose(
        replicas.fields.transpose(0, 2, 1).reshape(-1, 60), model.local_fields(states), atol=1e-4
    )


def test_polished_states_are_local_minima_with_their_energies(random_spins: RandomSpins) -> None:
    model = random_spins(40, 9, density=0.2)
    replicas, ladder = prepared(model, np.geomspace(3.0, 0.2, LANES), dtype=np.float64)
    replicas = small(replicas)
    temper_sparse(replicas, ladder, 0, 100, model.least_gain, -np.inf)
    polished = np.flatnonzero(np.isfinite(replicas.polished_energies))
    assert len(polished) >= 100 // SWEEPS_BETWEEN_DESCENTS
    for state, energy in zip(replicas.polished[polished], replicas.polished_energies[polished], strict=True):
        assert energy == pytest.approx(model.energy(state))
        assert (state * model.local_fields(state[None])[0] <= model.least_gain).all()


def test_the_target_ends_a_run(random_spins: RandomSpins) -> None:
    model = random_spins(40, 9, density=0.2)
    replicas, ladder = prepared(model, np.geomspace(3.0, 0.2, LANES))
    replicas = small(replicas)
    assert temper_sparse(replicas, ladder, 0, 100, model.least_gain, 1e9) == 1
    assert temper_sparse(replicas, ladder, 1, 100, model.least_gain, -1e9) == 100


def torus(side: int) -> SpinModel:
    """A square lattice with couplings of -1 and 1."""
    rng = np.random.default_rng(1)
    matrix = np.zeros((side * side,) * 2)
    for i in range(side * side):
        for j in (i // side * side + (i + 1) % side, (i + side) % (side * side)):
            matrix[i, j] = matrix[j, i] = rng.choice([-1.0, 1.0])
    return from_couplings(np.zeros(side * side), scipy.sparse.csr_array(matrix))


def test_clusters_pay_on_a_lattice_and_not_on_a_well_connected_graph(random_spins: RandomSpins) -> None:
    rng = np.random.default_rng(0)
    assert clusters_pay(torus(30), rng)
    assert not clusters_pay(random_spins(900, 1, density=0.02), rng)
    assert not clusters_pay(from_couplings(np.zeros(0), np.zeros((0, 0))), rng)


@pytest.mark.parametrize(("leaves", "stored"), [(127, np.int8), (128, np.int16)])
def test_the_largest_fields_are_held(leaves: int, stored: Any) -> None:
    matrix = np.zeros((leaves + 1,) * 2)
    matrix[0, 1:] = matrix[1:, 0] = -1.0
    model = from_couplings(np.zeros(leaves + 1), scipy.sparse.csr_array(matrix))
    replicas, ladder = prepared(model, np.full(LANES, 5.0))
    assert replicas.fields.dtype == stored
    temper_sparse(small(replicas), ladder, 0, 50, model.least_gain, -np.inf)
    states = states_of(replicas)
    assert np.abs(states[:, 1:].sum(axis=1)).max() == leaves
    np.testing.assert_array_equal(replicas.fields.transpose(0, 2, 1).reshape(LANES, -1), model.local_fields(states))

"""The compiled loops sample the Boltzmann distribution, and their incremental sums are the true ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import dimod
import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from qubo_backends._pt_kernels import SWEEPS_BETWEEN_SUMS, descend, sum_fields, temper, uniform
from qubo_backends._pt_ladder import random_replicas
from qubo_backends._pt_model import TemperingModel, tempering_model

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]
GROUPS = [(0, 1, 2), (3, 4)]


def model_of(bqm: dimod.BinaryQuadraticModel, groups: Sequence[Sequence[int]] = ()) -> TemperingModel:
    return tempering_model(bqm, groups)


def feasible_states(n: int, groups: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    states = np.array(list(itertools.product((0, 1), repeat=n)))
    for group in groups:
        states = states[states[:, list(group)].sum(axis=1) == 1]
    return states


def misfit(
    states: NDArray[np.int8], bqm: dimod.BinaryQuadraticModel, groups: Sequence[Sequence[int]], beta: float
) -> float:
    """p-value of the hypothesis that independent `states` are drawn at `beta`."""
    possible = feasible_states(bqm.num_variables, groups)
    weights = np.exp(-beta * (energies := bqm.energies((possible, sorted(bqm.variables)))) + beta * energies.min())
    powers = 2 ** np.arange(bqm.num_variables)
    order = np.argsort(possible @ powers)
    seen = np.searchsorted((possible @ powers)[order], states @ powers)
    counts = np.bincount(seen, minlength=len(possible))
    return float(scipy.stats.chisquare(counts, len(states) * (weights / weights.sum())[order]).pvalue)


@pytest.mark.parametrize("groups", [[], GROUPS, [(2,), (0, 5)]], ids=["flips", "switches", "group of one"])
@pytest.mark.parametrize("density", [0.1, 1.0], ids=["sparse", "dense"])
@pytest.mark.parametrize("beta", [0.3, 1.5])
def test_one_temperature_is_sampled_as_boltzmann(
    random_bqm: RandomBqm, groups: list[tuple[int, ...]], density: float, beta: float
) -> None:
    bqm = random_bqm(6, 3, density=density)
    model = model_of(bqm, groups)
    assert (model.columns.size == 0) == (density == 1.0)
    replicas = random_replicas(model, 20_000, np.random.default_rng(1))
    temper(model, replicas, np.full(20_000, beta), 0, 80)
    assert misfit(replicas.states, bqm, groups, beta) > 1e-3


def test_the_misfit_notices_a_wrong_temperature(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(6, 3)
    model = model_of(bqm)
    replicas = random_replicas(model, 20_000, np.random.default_rng(1))
    temper(model, replicas, np.full(20_000, 1.5), 0, 80)
    assert misfit(replicas.states, bqm, [], 1.4) < 1e-9


@pytest.mark.parametrize("groups", [[], GROUPS], ids=["flips", "switches"])
def test_replica_exchange_keeps_every_temperature_as_boltzmann(
    random_bqm: RandomBqm, groups: list[tuple[int, ...]]
) -> None:
    bqm = random_bqm(6, 4)
    model = model_of(bqm, groups)
    betas = np.array([2.0, 1.0, 0.3])
    replicas = random_replicas(model, 3, np.random.default_rng(2))
    drawn = []
    for k in range(6000):
        temper(model, replicas, betas, 15 * k, 15 * (k + 1))
        drawn.append(replicas.states[replicas.at].copy())
    for t, beta in enumerate(betas):
        assert misfit(np.array(drawn)[:, t], bqm, groups, beta) > 1e-3
    assert (replicas.exchanges[:2] > 1000).all()


def test_a_model_without_biases_visits_all_states_alike() -> None:
    bqm = dimod.BinaryQuadraticModel(dict.fromkeys(range(4), 0.0), {}, 0.0, "BINARY")
    replicas = random_replicas(model_of(bqm), 20_000, np.random.default_rng(5))
    replicas.states[:] = 0
    temper(model_of(bqm), replicas, np.ones(20_000), 0, 20)
    assert misfit(replicas.states, bqm, [], 1.0) > 1e-3


@pytest.mark.parametrize("density", [0.05, 1.0], ids=["sparse", "dense"])
def test_fields_and_energies_kept_along_the_way_are_the_true_ones(random_bqm: RandomBqm, density: float) -> None:
    bqm = random_bqm(40, 7, density=density, scale=1e6)
    model = model_of(bqm, [(0, 1, 2, 3), tuple(range(10, 30))])
    replicas = random_replicas(model, 5, np.random.default_rng(1))
    temper(model, replicas, 1e-6 * np.array([5.0, 3.0, 1.0, 0.5, 0.1]), 0, SWEEPS_BETWEEN_SUMS - 1)
    assert replicas.moves.min() > 0
    kept = replicas.fields.copy(), replicas.energies.copy()
    sum_fields(model, replicas)
    np.testing.assert_allclose(kept[0], replicas.fields, atol=1e-6)
    np.testing.assert_allclose(kept[1], replicas.energies, atol=1e-6)
    true = bqm.energies((replicas.states, range(40))) - bqm.offset
    np.testing.assert_allclose(replicas.energies, true, atol=1e-6)


def test_cutting_a_run_into_calls_does_not_change_it(random_bqm: RandomBqm) -> None:
    model = model_of(random_bqm(12, 8), [(0, 1, 2)])
    betas = np.array([3.0, 1.0, 0.5])
    whole, cut = (random_replicas(model, 3, np.random.default_rng(3)) for _ in range(2))
    temper(model, whole, betas, 0, 600)
    for first, last in itertools.pairwise([0, 1, 7, 256, 300, 600]):
        temper(model, cut, betas, first, last)
    for one, other in zip(whole, cut, strict=True):
        np.testing.assert_array_equal(one, other)


def test_descent_ends_in_a_local_minimum(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(10, 9)
    model = model_of(bqm, GROUPS)
    replicas = random_replicas(model, 20, np.random.default_rng(4))
    before = bqm.energies((replicas.states, range(10)))
    descend(model, replicas, 1000)
    after = bqm.energies((replicas.states, range(10)))
    assert (after <= before).all()
    assert (after < before).any()
    possible = feasible_states(10, GROUPS)
    for state, energy in zip(replicas.states, after, strict=True):
        changed = np.abs(possible - state)
        flips = (changed[:, 5:].sum(axis=1) == 1) & (changed[:, :5].sum(axis=1) == 0)
        switches = (changed[:, 5:].sum(axis=1) == 0) & (changed[:, :5].sum(axis=1) == 2)
        assert bqm.energies((possible[flips | switches], range(10))).min() >= energy - 1e-12


def test_random_numbers_are_uniform_and_streams_differ() -> None:
    random = np.array([1, 2], np.uint64)
    drawn = np.array([[uniform(random, stream) for _ in range(5000)] for stream in (0, 1)])
    assert scipy.stats.kstest(drawn.ravel(), "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(drawn)[0, 1]) < 0.05

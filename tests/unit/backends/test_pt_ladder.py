"""Temperatures follow the model's scale and meet their two criteria."""

from __future__ import annotations

from collections.abc import Callable

import dimod
import numpy as np
import pytest

from qubo_backends._pt_kernels import descend, temper
from qubo_backends._pt_ladder import polished, random_replicas, temperature_range
from qubo_backends._pt_model import tempering_model

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]


@pytest.mark.parametrize("scale", [1e-200, 1e-9, 1e9, 1e200])
@pytest.mark.parametrize("groups", [[], [range(0, 10), range(10, 13)]], ids=["flips", "groups"])
def test_temperatures_scale_with_the_model(random_bqm: RandomBqm, scale: float, groups: list[range]) -> None:
    ranges = []
    for factor in (1.0, scale):
        model = tempering_model(random_bqm(50, 1, scale=factor), groups)
        ranges.append(np.array(temperature_range(model, np.random.default_rng(0))))
    np.testing.assert_allclose(ranges[1], scale * ranges[0], rtol=1e-3)


@pytest.mark.parametrize("groups", [[], [range(k, k + 5) for k in range(0, 200, 5)]], ids=["flips", "groups"])
def test_hot_moves_and_cold_rest(random_bqm: RandomBqm, groups: list[range]) -> None:
    model = tempering_model(random_bqm(200, 2), groups)
    cold, hot = temperature_range(model, np.random.default_rng(0))
    replicas = random_replicas(model, 30, np.random.default_rng(1))
    sites = model.free.size + model.group_starts.size - 1
    temper(model, replicas, np.full(30, 1 / hot), 0, 1)
    assert replicas.moves.mean() / sites > 0.5
    descend(model, replicas, 1000)
    replicas.moves[:] = 0
    temper(model, replicas, np.full(30, 1 / cold), 256, 257)
    # An accepted uphill move is often followed by its way back in the same sweep.
    assert 0.1 < replicas.moves.mean() < 4


@pytest.mark.parametrize(
    "bqm",
    [
        dimod.BinaryQuadraticModel("BINARY"),
        dimod.BinaryQuadraticModel({0: 0.0, 1: 0.0}, {}, 0.0, "BINARY"),
        dimod.BinaryQuadraticModel({0: -3.0}, {}, 0.0, "BINARY"),
    ],
    ids=["empty", "all zero", "one variable"],
)
def test_degenerate_models_get_a_usable_range(bqm: dimod.BinaryQuadraticModel) -> None:
    cold, hot = temperature_range(tempering_model(bqm), np.random.default_rng(0))
    assert 0 < cold < hot < 10


def test_random_replicas_choose_one_of_every_group_and_all_options_occur(random_bqm: RandomBqm) -> None:
    model = tempering_model(random_bqm(8, 1), [(1, 3, 5), (0,)])
    replicas = random_replicas(model, 300, np.random.default_rng(0))
    assert (replicas.states[:, [1, 3, 5]].sum(axis=1) == 1).all()
    assert (replicas.states[:, 0] == 1).all()
    assert (replicas.states[:, [1, 3, 5]].mean(axis=0) > 0.2).all()
    assert (np.abs(replicas.states[:, [2, 4, 6, 7]].mean(axis=0) - 0.5) < 0.15).all()
    chosen = model.members[replicas.choices]
    assert (np.take_along_axis(replicas.states, chosen, axis=1) == 1).all()


def test_polishing_keeps_groups_and_never_climbs(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(30, 5)
    model = tempering_model(bqm, [range(0, 6), range(6, 20)])
    states = random_replicas(model, 10, np.random.default_rng(0)).states
    ends = np.array([polished(model, state) for state in states])
    assert (ends[:, :6].sum(axis=1) == 1).all()
    assert (ends[:, 6:20].sum(axis=1) == 1).all()
    assert (bqm.energies((ends, range(30))) < bqm.energies((states, range(30)))).all()

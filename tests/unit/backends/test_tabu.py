"""The `tabu` backend is bounded by iterations, so that seeds reproduce, and by the clock when asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dimod
import numpy as np
import pytest
from dwave.samplers import TabuSampler

from qubo_backends.tabu import TabuBackend
from qubo_dnn.backend import make_options
from qubo_dnn.errors import OptionError

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]
BACKEND = TabuBackend()
QUICK = {"lower_bound_z": 1, "coefficient_z_first": 2, "coefficient_z_restart": 1}


def sample(bqm: dimod.BinaryQuadraticModel, **values: object) -> dimod.SampleSet:
    return BACKEND.sample(bqm, make_options(BACKEND, values))


def test_seeds_reproduce_searches_that_end_early(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(150, 1)
    first, second = (sample(bqm, seed=3, num_reads=4, num_restarts=2, **QUICK) for _ in range(2))
    np.testing.assert_array_equal(first.record.sample, second.record.sample)
    assert len(np.unique(first.record.sample, axis=0)) > 1
    assert first.info["restarts"] == [2, 2, 2, 2]


def test_more_search_is_better(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(200, 2)
    short = sample(bqm, seed=1, num_reads=5, num_restarts=0, **QUICK).record.energy.mean()
    assert sample(bqm, seed=1, num_reads=5, num_restarts=2).record.energy.mean() < short


def test_the_energy_threshold_is_in_the_callers_unit_offset_included(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(30, 3)
    bqm.offset = 1e6
    best = sample(bqm, seed=1).first.energy
    assert sample(bqm, seed=1, energy_threshold=best + 1e-6).info["restarts"] == [0]
    assert sample(bqm, seed=1, energy_threshold=best - 1.0).info["restarts"] == [10]


def test_a_time_limit_cuts_a_search_without_end(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(50, 4)
    endless = {"num_restarts": 2**31 - 1, "seed": 1, "time_limit": 0.2}
    for reads in (None, 3):
        found = sample(bqm, num_reads=reads, **endless)
        # That it returns is what the limit does.
        assert len(found) == 1
    assert len(sample(bqm, time_limit=0.2, num_restarts=0, seed=1, **QUICK)) > 1


def test_refuses_a_tenure_of_all_variables(random_bqm: RandomBqm) -> None:
    with pytest.raises(OptionError, match="tenure 5 must be less than the 5 variables"):
        sample(random_bqm(5, 1), tenure=5)
    assert len(sample(random_bqm(5, 1), tenure=4)) == 1


def updates(monkeypatch: pytest.MonkeyPatch, variables: int, reads: int) -> list[int]:
    """Updates of variables that every read asks the sampler for, restarts included."""
    asked: list[int] = []

    class Recorded(TabuSampler):  # type: ignore[misc]  # dwave-samplers has no types
        def sample(self, bqm: dimod.BinaryQuadraticModel, **settings: Any) -> dimod.SampleSet:
            n, least = bqm.num_variables, settings["lower_bound_z"]
            first = settings.get("coefficient_z_first", 10_000)
            restart = settings.get("coefficient_z_restart", first // 4)
            asked.append(max(n * first, least) + settings["num_restarts"] * max(n * restart, least))
            return super().sample(bqm, **settings | {"num_restarts": 0, "coefficient_z_first": 1, "lower_bound_z": 1})

    monkeypatch.setattr("qubo_backends.tabu.TabuSampler", Recorded)
    sample(dimod.BinaryQuadraticModel(np.ones((variables, variables)), "BINARY"), num_reads=reads, seed=1)
    return asked


def test_the_work_of_a_read_grows_with_the_model_and_not_with_the_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    for reads in (1, 30):
        # 16 * 2^3 flips of 3 variables, but at least 50 * 3^2 updates, and ten restarts.
        assert updates(monkeypatch, 3, reads) == [450 + 10 * 450] * reads
    assert updates(monkeypatch, 40, 1) == [400_000 + 10 * 100_000]
    # From here on as the sampler has it.
    assert updates(monkeypatch, 100, 1) == [1_000_000 + 10 * 500_000]


def test_what_is_asked_for_goes_before_the_size(monkeypatch: pytest.MonkeyPatch, random_bqm: RandomBqm) -> None:
    seen: dict[str, Any] = {}

    class Recorded(TabuSampler):  # type: ignore[misc]  # dwave-samplers has no types
        def sample(self, bqm: dimod.BinaryQuadraticModel, **settings: Any) -> dimod.SampleSet:
            seen.update(settings)
            return super().sample(bqm, **settings)

    monkeypatch.setattr("qubo_backends.tabu.TabuSampler", Recorded)
    sample(random_bqm(3, 1), seed=1, num_restarts=1, **QUICK)
    assert {name: seen[name] for name in QUICK} == QUICK

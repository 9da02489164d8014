"""The default schedule is that of dwave-samplers, and time limits choose reads and sweeps that fit."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import dimod
import numpy as np
import pytest
from dwave.samplers.sa.sampler import default_beta_range as original
from numpy.typing import NDArray

from qubo_backends._shared.annealing import anneal, default_beta_range
from qubo_backends._shared.ocean import SamplerJob
from qubo_backends._shared.sampling import InterruptGuard

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]
BQM = dimod.BinaryQuadraticModel


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("density", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("n", [1, 2, 30])
def test_default_range_is_that_of_dwave_samplers(random_bqm: RandomBqm, n: int, density: float, scale: float) -> None:
    bqm = random_bqm(n, 1, vartype="SPIN", density=density, scale=scale)
    assert default_beta_range(bqm) == pytest.approx(tuple(original(bqm)), rel=1e-12)


@pytest.mark.parametrize(
    "bqm",
    [
        BQM({0: 0.0, 1: 0.0}, {}, 1.0, "SPIN"),
        BQM({0: 0.0, 1: 2.0}, {(0, 1): 0.0}, 1.0, "SPIN"),
        BQM(dict.fromkeys(range(9), 0.0), {(i, j): (-1.0) ** i for i in range(9) for j in range(i)}, 0.0, "SPIN"),
        BQM({0: 1.0, 1: 1.0, 2: 3.0}, {(0, 2): 1.0}, 0.0, "SPIN"),
    ],
    ids=["all zero", "zero coupling", "no fields", "degenerate"],
)
def test_default_range_of_special_models(bqm: dimod.BinaryQuadraticModel) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = original(bqm)
    assert default_beta_range(bqm) == pytest.approx(tuple(expected), rel=1e-12)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which nothing but sleep takes time, so that a busy machine changes nothing."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))


class Sampler:
    """Stands for an annealer: sleeps for its overhead and for every sweep."""

    def __init__(self, per_call: float, per_sweep: float) -> None:
        self.per_call, self.per_sweep = per_call, per_sweep
        self.calls: list[tuple[int, int, int]] = []

    def __call__(self, reads: slice, steps: int, seed: int, stop: Callable[[], bool]) -> NDArray[np.int8]:
        time.sleep(self.per_call)
        drawn = 0
        while drawn < reads.stop - reads.start:
            time.sleep(self.per_sweep * steps)
            drawn += 1
            if stop():
                break
        self.calls.append((drawn, steps, seed))
        return np.zeros((drawn, 2), np.int8)


def job(reads: int, time_limit: float | None, seed: int = 5) -> SamplerJob:
    return SamplerJob(BQM({0: 1.0, 1: 1.0}, {}, 0.0, "SPIN"), seed, InterruptGuard(time_limit), reads)


@pytest.mark.parametrize(("seed", "passed_on"), [(5, 5), (0, 2**31 - 1), (2**31 - 1, 2**31 - 1)])
def test_without_a_limit_there_is_one_call_with_the_seed_in_range(seed: int, passed_on: int) -> None:
    sampler = Sampler(0, 0)
    rows, sweeps = anneal(job(3, None, seed), 1000, sampler)
    assert (len(rows), sweeps) == (3, 1000)
    assert sampler.calls == [(3, 1000, passed_on)]


def test_seeds_beyond_31_bits_are_not_those_below() -> None:
    """The samplers take 31 bits of a seed, and would draw the same for two seeds that differ in the highest alone."""
    sampler = Sampler(0, 0)
    for seed in (7, 2**31 + 7, 2**32 - 1, 2**31):
        anneal(job(3, None, seed), 1000, sampler)
    passed_on = [seed for _, _, seed in sampler.calls]
    assert len(set(passed_on)) == 4
    assert all(0 < seed < 2**31 for seed in passed_on)


def test_a_limit_that_is_not_reached_changes_nothing() -> None:
    sampler = Sampler(0, 0)
    rows, sweeps = anneal(job(3, 1000.0), 100, sampler)
    assert (len(rows), sweeps) == (3, 100)
    assert sampler.calls[-1] == (3, 100, 5)


def test_as_many_reads_as_fit() -> None:
    sampler = Sampler(0.01, 1e-4)
    limited = job(1000, 0.6)
    rows, sweeps = anneal(limited, 500, sampler)
    assert sweeps == 500
    assert 2 <= len(rows) <= 12
    assert limited.watch.seconds < 0.6 + 0.3


def test_a_read_that_would_not_fit_gets_fewer_sweeps() -> None:
    limited = job(1, 0.5)
    rows, sweeps = anneal(limited, 10**6, Sampler(0.02, 1e-4))
    assert len(rows) == 1
    assert 100 < sweeps < 5000
    assert limited.watch.seconds < 0.5 + 0.3


def test_a_limit_below_one_short_read_still_gives_a_row() -> None:
    rows, sweeps = anneal(job(3, 1e-6), 1000, Sampler(0.02, 1e-4))
    assert (len(rows), sweeps) == (1, 1)

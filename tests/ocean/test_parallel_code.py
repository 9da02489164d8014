"""Samplers and `solve` work in other processes and threads, and give what they give here."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import dimod
import joblib
import numpy as np
import pytest

from qubo_dnn.models.dimod_models import problem_from_bqm
from qubo_dnn.models.ocean_sampler import BackendSampler
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve

pytestmark = pytest.mark.slow

SEEDS = [1, 2, 3]
BQM = dimod.BinaryQuadraticModel(np.triu(np.random.default_rng(0).integers(-9, 10, (12, 12))).astype(float), "BINARY")


def sampled(sampler: BackendSampler, seed: int) -> list[list[int]]:
    return sampler.sample(BQM, seed=seed, num_reads=2).record.sample.tolist()  # type: ignore[no-any-return]


def solved(name: str, seed: int) -> dict[object, int | float]:
    return solve(problem_from_bqm(BQM), get_backend(name), {"seed": seed}).best.value


@pytest.mark.parametrize(("name", "prefer"), [("neal", "processes"), ("tabu", "threads"), ("pt", "threads")])
def test_joblib(name: str, prefer: str) -> None:
    sampler = BackendSampler(name)
    run = joblib.Parallel(n_jobs=2, prefer=prefer)
    assert run(joblib.delayed(sampled)(sampler, seed) for seed in SEEDS) == [sampled(sampler, seed) for seed in SEEDS]


def test_a_pool_of_processes() -> None:
    name = "neal"
    sampler = BackendSampler(name)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        samples = list(pool.map(sampled, [sampler] * len(SEEDS), SEEDS))
        answers = list(pool.map(solved, [name] * len(SEEDS), SEEDS))
    assert samples == [sampled(sampler, seed) for seed in SEEDS]
    assert answers == [solved(name, seed) for seed in SEEDS]

"""The settings of `genetic` and `reinforcement`, tried with an equal budget each.

The defaults, and settings drawn from the ranges below, all with the same seeds and the same seconds. A default that is
far behind would make the comparison unfair; the best setting is what runs are made with.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.claims.cases import ClaimCase
from bench.claims.figures import excess
from bench.claims.results import Tuned
from bench.claims.runs import SAME, SolveJob, series

# Of every setting.
SEEDS = 2
RANGES: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "genetic": {
        "population_size": (20, 50, 100, 200),
        "tournament_size": (2, 4),
        "crossover_rate": (0.6, 0.9, 1.0),
        "block_crossover": (0.0, 0.5, 1.0),
        "elitism": (0.1, 0.5, 1.0),
        "mutation_rate": (None, 0.02, 0.1),
        "patience": (20, 50, 200),
    },
    "reinforcement": {
        "batch_size": (32, 64, 128, 256),
        "learning_rate": (0.003, 0.01, 0.03),
        "entropy": (0.01, 0.05, 0.2),
        "epochs": (1, 4),
        "top": (0.05, 0.1, 0.25, 1.0),
        "hidden_units": (16, 32, 64),
        "episodes": (6_400, 12_800, 25_600),
    },
}


def drawn(backend: str, count: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """The defaults, and `count` - 1 different settings from the ranges."""
    found: list[dict[str, Any]] = [{}]
    while len(found) < count:
        setting = {name: values[int(rng.integers(len(values)))] for name, values in RANGES[backend].items()}
        if setting not in found:
            found.append(setting)
    return found


def tuned(case: ClaimCase, best: float, count: int, seconds: float, processes: int) -> list[Tuned]:
    """Both backends with `count` settings each, the best first.

    Args:
        case: to be solved.
        best: its proven optimum.
        count: the defaults among them, >= 1.
        seconds: of every run. Short ones would favour policies that settle early, and on too little.
        processes: see `bench.claims.runs.series`.
    """
    settings = {name: drawn(name, count, np.random.default_rng(0)) for name in RANGES}
    jobs = [
        SolveJob(case.name, name, seed, (seconds,), best, each)
        for name, tried in settings.items()
        for each in tried
        for seed in range(SEEDS)
    ]
    excesses: dict[int, list[float]] = {}
    for job, found in series([case], jobs, processes):
        excesses.setdefault(id(job.settings), []).append(excess(found.runs[-1].objective, best))
    ranked = [
        Tuned(name, each, sum(one <= SAME for one in found), SEEDS, statistics.fmean(found))
        for name, tried in settings.items()
        for each in tried
        for found in [excesses[id(each)]]
    ]
    return sorted(ranked, key=lambda each: (each.backend, -each.reached, each.excess))

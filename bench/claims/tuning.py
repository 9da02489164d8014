"""The settings of `genetic` and `reinforcement`, tried with an equal budget each.

The defaults, and settings drawn from the ranges below, all with the same seeds and the same seconds. A default that is
far behind would make the comparison unfair.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bench.claims.cases import Case
from bench.claims.figures import excess
from bench.claims.results import Tuned
from bench.claims.runs import SAME, warm
from qubo_dnn.registry import get_backend
from qubo_dnn.solve import solve

# Of every run, and seeds of every setting.
SECONDS, SEEDS = 1.5, 3
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


def tuned(case: Case, best: float, count: int) -> Iterator[Tuned]:
    """Both backends with `count` settings each, the best first.

    Args:
        case: to be solved.
        best: its proven optimum.
        count: the defaults among them, >= 1.
    """
    for name in RANGES:
        warm(name)
        tried = [_tried(case, best, name, each) for each in drawn(name, count, np.random.default_rng(0))]
        yield from sorted(tried, key=lambda each: (-each.reached, each.excess))


def _tried(case: Case, best: float, backend: str, settings: dict[str, Any]) -> Tuned:
    excesses = []
    for seed in range(SEEDS):
        options = {**settings, "time_limit": SECONDS, "seed": seed}
        found = solve(case.problem, get_backend(backend), options).best
        excesses.append(excess(found.objective if found.feasible else None, best))
    return Tuned(backend, settings, sum(each <= SAME for each in excesses), SEEDS, statistics.fmean(excesses))

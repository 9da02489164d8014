"""The settings of `genetic` and `reinforcement`, tried with an equal budget each, on the layers of a network.

    OMP_NUM_THREADS=1 python -m bench.claims.tuning --data DIR --json FILE

The defaults, and settings drawn from the ranges below, all with the same seeds and the same seconds. Printed is the
share of runs that reached the optimum, which is proven, and the mean excess over it, the best settings first. What
leads in all runs should be the default; a default far behind would make the comparison unfair.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.claims.cases import cases, network_of
from bench.claims.figures import excess
from bench.claims.runs import SAME
from bench.compression.command import finish, write_json
from bench.compression.networks import add_folder_option
from bench.qaoa.table import Table
from bench.solvers.run import one_thread
from qubo_dnn.registry import get_backend
from qubo_dnn.solve import solve

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


def _cells(row: Mapping[str, Any]) -> list[str]:
    given = ", ".join(f"{name} {value}" for name, value in row["settings"].items() if value is not None)
    share = f"{row['reached']} of {row['runs']}"
    return [row["backend"], given or "defaults", share, f"{100 * row['excess']:.3g}"]


TABLE = Table("Settings", "", ("backend", "settings", "at the optimum", "mean excess, %"), _cells)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=int, default=16, help="of each backend")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="of every run")
    parser.add_argument("--json", type=Path, metavar="FILE")
    add_folder_option(parser)
    words = parser.parse_args()
    one_thread()
    case, _ = next(cases(network_of(words.data, 1), ["layer"]))
    best = solve(case.problem, get_backend("exact-milp"), {"time_limit": 60.0, "seed": 0}).best.objective
    rows = []
    for name in RANGES:
        backend, tried = get_backend(name), []
        solve(case.problem, backend, {"time_limit": 0.5, "seed": 0})  # what a first call has to load is not searching
        for settings in drawn(name, words.settings, np.random.default_rng(0)):
            excesses = []
            for seed in range(words.seeds):
                found = solve(case.problem, backend, {**settings, "time_limit": words.seconds, "seed": seed}).best
                excesses.append(excess(found.objective if found.feasible else None, best))
            reached = sum(each <= SAME for each in excesses)
            row = {"backend": name, "settings": settings, "reached": reached, "runs": words.seeds}
            tried.append({**row, "excess": statistics.fmean(excesses)})
        rows += sorted(tried, key=lambda each: (-each["reached"], each["excess"]))
    print(TABLE.markdown(rows))
    if words.json is not None:
        write_json(words.json, rows)


if __name__ == "__main__":
    finish(main)

"""Where the search for angles may begin, and on what: angles of a part, and a warm start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bench.qaoa.problems import KINDS, IsingInstance, instance, instances, judged
from bench.qaoa.solvers import ours
from bench.tables import Row, Table, with_range
from qubo_backends._qaoa.warm_start import rounded_relaxation

PART = 12
# Name -> (evaluations or None for all, options of `qaoa`).
STARTS: dict[str, tuple[int | None, dict[str, Any]]] = {
    "ramp alone": (0, {}),
    f"angles of a part of {PART}": (None, {"transfer": PART}),
    "angles of the whole": (None, {}),
    "warm start, angles as they are": (0, {"warm_start": "relaxation"}),
    "warm start, angles of the whole": (None, {"warm_start": "relaxation"}),
}
RELAXATION = "relaxation, rounded, without a circuit"


def rows(n: int, depths: Sequence[int], evaluations: int, seeds: int) -> Iterator[Row]:
    """One per kind, depth and start, and one per kind for what a warm start begins with.

    Args:
        n: spins, even.
        depths: layers.
        evaluations: of the energy, at most.
        seeds: of instances and searches alike; see `instances`.
    """
    ours(instance(KINDS[0], 4, 0), 1, 1, 0)  # compiled
    for kind in KINDS:
        drawn = instances(kind, n, seeds)
        relaxed = (_relaxed(given, seed) for seed, given in enumerate(drawn))
        yield {"problem": kind, "n": n, "depth": 0, "start": RELAXATION, **judged(drawn, relaxed)}
        for depth in depths:
            for name, (most, options) in STARTS.items():
                many = evaluations if most is None else most
                found = [ours(given, depth, many, seed, **options) for seed, given in enumerate(drawn)]
                row: Row = {"problem": kind, "n": n, "depth": depth, "start": name}
                figures = judged(drawn, (each.chances for each in found))
                yield {**row, **figures, "seconds": [each.seconds for each in found]}


def _relaxed(given: IsingInstance, seed: int) -> np.ndarray:
    """[2^n] chances of the one state that a warm start is tilted to."""
    n = len(given.couplings)
    spins = rounded_relaxation(np.zeros(n), given.couplings, seed)
    chances = np.zeros(1 << n)
    chances[int((spins > 0) @ (1 << np.arange(n)))] = 1.0
    return chances


def _cells(row: Row) -> list[str]:
    seconds = with_range(row["seconds"], ".2g") if "seconds" in row else ""
    figures = (with_range(row["ratio"], ".3f"), with_range(row["hit"], ".2g"), seconds)
    return [row["problem"], str(row["n"]), str(row["depth"] or ""), row["start"], *figures]


TABLE = Table(
    "problem | n | p | start | ratio | P(optimum) | s",
    _cells,
    "Starts",
    "Ratio and P(optimum) as above. A warm start tilts every qubit to its side of the rounded semidefinite relaxation, "
    "which is measured on the other side with a chance of 0.25; what the rounding is worth by itself stands beside it. "
    "Seconds are CPU time of the search and the shots.",
)

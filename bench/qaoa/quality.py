"""Ours against qiskit-optimization's QAOA with its defaults, at equal evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bench.qaoa.problems import KINDS, instance, instances, judged
from bench.qaoa.solvers import ours, theirs
from bench.tables import Row, Table, with_range


def rows(sizes: Sequence[int], depths: Sequence[int], evaluations: int, seeds: int) -> Iterator[Row]:
    """One per kind, size and depth, small ones first.

    Args:
        sizes: spins, even.
        depths: layers.
        evaluations: of the energy, at most, by either search.
        seeds: of instances and searches alike; see `instances`.
    """
    ours(instance(KINDS[0], 4, 0), 1, 1, 0)  # compiled
    for n in sizes:
        for kind in KINDS:
            for depth in depths:
                drawn = instances(kind, n, seeds)
                row: Row = {"problem": kind, "n": n, "depth": depth, "evaluations": evaluations}
                for name, search in (("ours", ours), ("qiskit_optimization", theirs)):
                    found = [search(given, depth, evaluations, seed) for seed, given in enumerate(drawn)]
                    figures = judged(drawn, (each.chances for each in found))
                    row[name] = {**figures, "evaluations": [each.evaluations for each in found]}
                yield row


def _cells(row: Row) -> list[str]:
    figures = [
        with_range(row[name][figure], form)
        for figure, form in (("ratio", ".3f"), ("hit", ".2g"))
        for name in ("ours", "qiskit_optimization")
    ]
    counts = [f"{np.mean(row[name]['evaluations']):.0f}" for name in ("ours", "qiskit_optimization")]
    seeds = str(len(row["ours"]["ratio"]))
    return [row["problem"], str(row["n"]), str(row["depth"]), seeds, *figures, *counts]


TABLE = Table(
    "problem | n | p | seeds | ratio, ours | ratio, qiskit-optimization | P(optimum), ours "
    "| P(optimum), qiskit-optimization | evaluations, ours | evaluations, qiskit-optimization",
    _cells,
    "Quality of the angles",
    "Both searches end after as many evaluations at most, 100 by default; ours is exact and starts from a linear ramp, "
    "theirs draws 1,024 shots and starts at random, as by default. Both are judged by the exact distribution of their "
    "last angles. Their shots come from our simulator, which the next table compares with Aer. The ratio is the "
    "expected cut over the largest, for dense models (couplings of -1 and 1) the expected energy over the least.",
)

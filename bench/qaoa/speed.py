"""Seconds of one evaluation of the energy, ours against Aer's estimator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.qaoa.problems import KINDS, instance
from bench.qaoa.solvers import timed
from bench.tables import Row, Table


def rows(sizes: Sequence[int], depth: int, repeats: int) -> Iterator[Row]:
    """One per kind and size.

    Args:
        sizes: spins, even.
        depth: layers.
        repeats: the least of so many counts.
    """
    for kind in KINDS:
        for n in sizes:
            ours, aer, apart = timed(instance(kind, n, 0), depth, repeats)
            yield {"problem": kind, "n": n, "depth": depth, "seconds": ours, "aer_seconds": aer, "apart": apart}


def _cells(row: Row) -> list[str]:
    ours, aer = row["seconds"], row["aer_seconds"]
    figures = (f"{1e3 * ours:.3g}", f"{1e3 * aer:.3g}", f"{aer / ours:.1f}", f"{row['apart']:.1g}")
    return [row["problem"], str(row["n"]), str(row["depth"]), *figures]


TABLE = Table(
    "problem | n | p | ms, ours | ms, Aer's estimator | times faster | apart",
    _cells,
    "Time of an evaluation",
    "CPU time, the least of five in turns, one thread each; how far the two energies are apart.",
)

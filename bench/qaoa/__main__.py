"""QAOA: ours against qiskit-optimization's at equal evaluations, and our simulator against Aer's estimator.

    python -m bench.qaoa --out bench/qaoa/results.json

Both searches end after as many evaluations at most; ours is exact and starts from a linear ramp, theirs draws 1,024
shots and starts at random, as by default. Both are judged by the exact distribution of their last angles. One thread.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from bench.compression.command import finish
from bench.qaoa.problems import instance
from bench.qaoa.solvers import ours, theirs, timed
from qubo_dnn.cli.output import write_json


def quality(
    kinds: list[str], sizes: list[int], depths: list[int], evaluations: int, seeds: int
) -> list[dict[str, Any]]:
    """One row per kind, size and depth, printed as they come: means over the seeds."""
    print("| problem | n | p | ratio, ours | ratio, qiskit-optimization | P(optimum), ours | qiskit-optimization |")
    print(f"|{'---|' * 7}")
    found = []
    for kind in kinds:
        for n in sizes:
            for depth in depths:
                row: dict[str, Any] = {"problem": kind, "n": n, "depth": depth, "evaluations": evaluations}
                for name, search in (("ours", ours), ("qiskit_optimization", theirs)):
                    drawn = [instance(kind, n, seed) for seed in range(seeds)]
                    chances = [search(each, depth, evaluations, seed) for seed, each in enumerate(drawn)]
                    pairs = list(zip(drawn, chances, strict=True))
                    row[f"ratios_{name}"] = [each.ratio(p) for each, p in pairs]
                    row[f"hits_{name}"] = [each.hit(p) for each, p in pairs]
                found.append(row)
                means = {name: float(np.mean(values)) for name, values in row.items() if isinstance(values, list)}
                ratios = f"{means['ratios_ours']:.3f} | {means['ratios_qiskit_optimization']:.3f}"
                hits = f"{means['hits_ours']:.2g} | {means['hits_qiskit_optimization']:.2g}"
                print(f"| {kind} | {n} | {depth} | {ratios} | {hits} |", flush=True)
    return found


def speed(kinds: list[str], sizes: list[int], depth: int, repeats: int) -> list[dict[str, Any]]:
    """Seconds of an evaluation, one row per kind and size."""
    print("\n| problem | n | p | ms, ours | ms, Aer's estimator | times faster | apart |")
    print(f"|{'---|' * 7}")
    found = []
    for kind in kinds:
        for n in sizes:
            mine, aer, apart = timed(instance(kind, n, 0), depth, repeats)
            found.append({"problem": kind, "n": n, "depth": depth, "seconds": mine, "aer_seconds": aer, "apart": apart})
            print(
                f"| {kind} | {n} | {depth} | {1e3 * mine:.3g} | {1e3 * aer:.3g} | {aer / mine:.1f} | {apart:.1g} |",
                flush=True,
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="QAOA against qiskit-optimization and Aer.")
    parser.add_argument("--kinds", nargs="+", default=["3-regular", "dense"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[10, 16])
    parser.add_argument("--depths", nargs="+", type=int, default=[1, 3, 5])
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--timed-sizes", nargs="+", type=int, default=[12, 16, 20])
    parser.add_argument("--out", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    kinds, seeds = arguments.kinds, arguments.seeds
    rows = quality(kinds, arguments.sizes, arguments.depths, arguments.evaluations, seeds)
    times = speed(kinds, arguments.timed_sizes, 3, seeds)
    if arguments.out is not None:
        write_json(arguments.out, {"quality": rows, "speed": times})


if __name__ == "__main__":
    finish(main)

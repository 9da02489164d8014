"""Time and memory of compiling, ours against pyqubo's `compile().to_bqm()`.

    python -m bench.formulations --json bench/formulations/results.json

Every model is made in a process of its own, both ways in turns, from data to the dimod model with penalties; the least
of several runs counts. Memory is the peak of the process beyond its imports.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import dimod
import numpy as np

from bench.command import finish
from bench.formulations.models import MODELS, timed
from bench.processes import measured
from qubo_dnn.cli.output import write_json
from qubo_dnn.errors import BackendFailedError


def check(name: str) -> None:
    """Both ways give the same model, up to the names of its variables.

    Raises:
        BackendFailedError: they do not.
    """
    ours, theirs, _ = MODELS[name]
    one, other = (sorted(_biases(make(5))) for make in (ours, theirs))
    if len(one) != len(other) or not np.allclose(one, other):
        raise BackendFailedError(f"the two models of {name} differ")


def _biases(bqm: dimod.BinaryQuadraticModel) -> list[float]:
    return [bqm.offset, *bqm.linear.values(), *(bias for bias in bqm.quadratic.values() if bias)]


def rows(repeats: int) -> list[dict[str, Any]]:
    """One per formulation and size, printed as they come."""
    print("| problem | size | variables | interactions | s | pyqubo, s | times faster | MB | pyqubo, MB |")
    print(f"|{'---|' * 9}")
    found = []
    for name, (_, _, sizes) in MODELS.items():
        check(name)
        for size in sizes:
            seconds: list[list[float]] = [[], []]
            memory = [0, 0]
            shape: list[tuple[int, int]] = [(0, 0), (0, 0)]
            for _ in range(repeats):
                for which in (0, 1):
                    done = measured(timed, name, which, size)
                    seconds[which].append(done.value[0])
                    shape[which] = done.value[1:]
                    memory[which] = max(memory[which], done.peak_bytes - done.before_bytes)
            found.append(
                {
                    "formulation": name,
                    "size": size,
                    "variables": shape[0][0],
                    "interactions": shape[0][1],
                    "seconds": min(seconds[0]),
                    "pyqubo_seconds": min(seconds[1]),
                    "times_faster": min(seconds[1]) / min(seconds[0]),
                    "megabytes": memory[0] / 2**20,
                    "pyqubo_megabytes": memory[1] / 2**20,
                }
            )
            cells = (f"{each:.3g}" if isinstance(each, float) else str(each) for each in found[-1].values())
            print(f"| {' | '.join(cells)} |", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Compiling formulations, against pyqubo.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = rows(arguments.repeats)
    if arguments.json is not None:
        write_json(arguments.json, found)


if __name__ == "__main__":
    finish(main)

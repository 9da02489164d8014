"""Whether more time ever makes the answer of `pt` worse: energies at growing numbers of sweeps, with the same seed.

python -m bench.solvers.longer --json FILE                      generated instances
python -m bench.solvers.longer --instances DIR --json FILE      instances of a folder
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dimod

from bench.command import finish
from bench.solvers.instance import BenchmarkInstance
from bench.solvers.page import header, line
from bench.solvers.roster import add_options, asked
from bench.solvers.run import one_thread
from qubo_dnn.cli.output import write_json


def rows(
    sampler: dimod.Sampler, instances: Iterable[BenchmarkInstance], sweeps: Sequence[int], seeds: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """One per instance and seed.

    Args:
        sampler: takes `num_sweeps` and `seed`.
        instances: to be sampled.
        sweeps: ascending.
        seeds: of the sampler.

    Yields:
        The values in the instance's own sense, and those numbers of sweeps whose value is worse than that of fewer.
    """
    for instance in instances:
        for seed in seeds:
            energies = []
            for count in sweeps:
                answer = sampler.sample(instance.bqm, num_sweeps=count, seed=seed)
                # Not as the sampler has it: its own best sample decides.
                energies.append(float(instance.bqm.energy(answer.first.sample)))
            yield {
                "instance": instance.name,
                "seed": seed,
                "sweeps": list(sweeps),
                "values": [instance.value(energy) for energy in energies],
                "worse": worse(sweeps, energies),
            }


def worse(sweeps: Sequence[int], energies: Sequence[float]) -> list[int]:
    """Numbers of sweeps after which the energy is above one that fewer had found."""
    return [
        count
        for place, count in enumerate(sweeps)
        if place and energies[place] > min(energies[:place]) + 1e-9 * max(1.0, abs(energies[place]))
    ]


def main() -> None:
    """Print the rows as they come, and at the end how many are worse."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--sweeps", type=int, nargs="+", default=[10, 30, 100, 300, 1000, 3000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", type=Path, metavar="FILE")
    words = parser.parse_args()
    one_thread()
    from qubo_backends import ParallelTemperingSampler

    sweeps = sorted(set(words.sweeps))
    print(header(("instance", "seed", *(f"{count} sweeps" for count in sweeps), "worse after")), flush=True)
    found = []
    for row in rows(ParallelTemperingSampler(), asked(words), sweeps, words.seeds):
        found.append(row)
        values = (f"{value:.10g}" for value in row["values"])
        print(line((row["instance"], str(row["seed"]), *values, ", ".join(map(str, row["worse"])))), flush=True)
        if words.json is not None:
            write_json(words.json, found)
    steps = len(found) * (len(sweeps) - 1)
    print(
        f"\n{sum(len(row['worse']) for row in found)} of {steps} answers after more sweeps are worse than after fewer."
    )


if __name__ == "__main__":
    finish(main)

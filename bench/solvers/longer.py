"""Whether more time ever makes the answer of `pt` worse: energies at growing numbers of sweeps, with the same seed.

python -m bench.solvers.longer --json FILE                      generated instances
python -m bench.solvers.longer --instances DIR --json FILE      instances of a folder
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import dimod

from bench.command import finish, make_parser
from bench.processes import one_thread
from bench.solvers.instance import BenchmarkInstance
from bench.solvers.roster import add_options, asked
from bench.tables import Row, Table


def rows(
    sampler: dimod.Sampler, instances: Iterable[BenchmarkInstance], sweeps: Sequence[int], seeds: Sequence[int]
) -> Iterator[Row]:
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
    parser = make_parser(__doc__, "--seeds", "--json")
    add_options(parser)
    parser.add_argument("--sweeps", type=int, nargs="+", default=[10, 30, 100, 300, 1000, 3000])
    words = parser.parse_args()
    one_thread()
    from qubo_backends import ParallelTemperingSampler

    sweeps = sorted(set(words.sweeps))
    headings = ("instance", "seed", *(f"{count} sweeps" for count in sweeps), "worse after")
    found = Table(" | ".join(headings), _cells).print(
        rows(ParallelTemperingSampler(), asked(words), sweeps, words.seeds), words.json
    )
    worst, steps = sum(len(row["worse"]) for row in found), len(found) * (len(sweeps) - 1)
    print(f"\n{worst} of {steps} answers after more sweeps are worse than after fewer.")


def _cells(row: Row) -> tuple[str, ...]:
    values = (f"{value:.10g}" for value in row["values"])
    return row["instance"], str(row["seed"]), *values, ", ".join(map(str, row["worse"]))


if __name__ == "__main__":
    finish(main)

"""CPU seconds of 1, 100 and 5,000 reads of backends on small dense models.

    python -m bench.solvers.reads --json FILE

A cost may grow with the reads, but no faster than they do, and from a small one. Every backend runs at its defaults, in
a process of its own, after a call that compiles and imports. The model couples all pairs of spins by -1 or 1.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.command import finish
from bench.processes import measured
from bench.solvers.generators import sherrington_kirkpatrick
from bench.solvers.page import header, line
from bench.solvers.run import one_thread
from qubo_dnn.cli.output import write_json
from qubo_dnn.registry import get_backend

_BACKENDS = ("pt", "tabu", "genetic", "reinforcement", "neal", "path-integral", "steepest-descent")


@dataclass(frozen=True)
class ReadsRow:
    """One backend on one model.

    Attributes:
        backend: its name.
        variables: of the model.
        reads: asked for, call by call.
        seconds: CPU seconds of each call.
        energies: the least of each.
    """

    backend: str
    variables: int
    reads: tuple[int, ...]
    seconds: tuple[float, ...]
    energies: tuple[float, ...]


def timed(backend: str, variables: int, reads: Sequence[int]) -> ReadsRow:
    """Sample the model once for every number of reads, after a call that compiles and imports."""
    one_thread()
    from qubo_dnn.backend import make_options

    solver, bqm = get_backend(backend), sherrington_kirkpatrick(variables, 1)
    solver.sample(bqm, make_options(solver, {"num_reads": 1, "seed": 1}))
    seconds, energies = [], []
    for count in reads:
        began = time.process_time()
        found = solver.sample(bqm, make_options(solver, {"num_reads": count, "seed": 1}))
        seconds.append(time.process_time() - began)
        energies.append(float(found.first.energy))
    return ReadsRow(backend, variables, tuple(reads), tuple(seconds), tuple(energies))


def headings(reads: Sequence[int]) -> list[str]:
    """Of the table."""
    return ["backend", "variables", *(f"s of {count:,} read{'s' * (count > 1)}" for count in reads), "least energies"]


def cells(each: ReadsRow) -> list[str]:
    """A row of the table."""
    least = dict.fromkeys(f"{energy:g}" for energy in each.energies)
    return [each.backend, str(each.variables), *(f"{value:.3g}" for value in each.seconds), ", ".join(least)]


def main() -> None:
    """Print the table as it comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", nargs="+", default=list(_BACKENDS), metavar="NAME")
    parser.add_argument("--variables", type=int, nargs="+", default=[3, 40])
    parser.add_argument("--reads", type=int, nargs="+", default=[1, 100, 5000])
    parser.add_argument("--json", type=Path, metavar="FILE")
    words = parser.parse_args()
    print(header(headings(words.reads)), flush=True)
    found = []
    for backend in words.backends:
        for variables in words.variables:
            each = measured(timed, backend, variables, words.reads).value
            found.append(asdict(each))
            print(line(cells(each)), flush=True)
            if words.json is not None:
                write_json(words.json, found)


if __name__ == "__main__":
    finish(main)

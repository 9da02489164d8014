"""CPU seconds of 1, 100 and 5,000 reads of backends on small dense models.

    python -m bench.solvers.reads --json FILE

A cost may grow with the reads, but no faster than they do, and from a small one. Every backend runs at its defaults, in
a process of its own, after a call that compiles and imports. The model couples all pairs of spins by -1 or 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from bench.command import finish, make_parser
from bench.processes import cpu_timed, measured, one_thread
from bench.solvers.generators import sherrington_kirkpatrick
from bench.tables import Table
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
    runs = [cpu_timed(solver.sample, bqm, make_options(solver, {"num_reads": count, "seed": 1})) for count in reads]
    energies = (float(run.value.first.energy) for run in runs)
    return ReadsRow(backend, variables, tuple(reads), tuple(run.seconds for run in runs), tuple(energies))


def headings(reads: Sequence[int]) -> list[str]:
    """Of the table."""
    return ["backend", "variables", *(f"s of {count:,} read{'s' * (count > 1)}" for count in reads), "least energies"]


def cells(each: ReadsRow) -> list[str]:
    """A row of the table."""
    least = dict.fromkeys(f"{energy:g}" for energy in each.energies)
    return [each.backend, str(each.variables), *(f"{value:.3g}" for value in each.seconds), ", ".join(least)]


def main() -> None:
    """Print the table as it comes."""
    parser = make_parser(__doc__, "--json")
    parser.add_argument("--backends", nargs="+", default=list(_BACKENDS), metavar="NAME")
    parser.add_argument("--variables", type=int, nargs="+", default=[3, 40])
    parser.add_argument("--reads", type=int, nargs="+", default=[1, 100, 5000])
    words = parser.parse_args()
    sizes = product(words.backends, words.variables)
    rows = (measured(timed, backend, variables, words.reads).value for backend, variables in sizes)
    Table(" | ".join(headings(words.reads)), cells).print(rows, words.json)


if __name__ == "__main__":
    finish(main)

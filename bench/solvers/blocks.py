"""Whether brute force over blocks of 16 variables reaches what `pt` finds on the whole problem, groups kept.

    python -m bench.solvers.blocks --instances DIR --out bench/solvers/results/blocks

`pt` runs first, for 10 seconds; its value is the target of `decompose:exact`, which ends there or at its limit of a
minute. It counts as reached by a state within all constraints. The control `decompose:random` draws as many random
states of as many blocks of the same size; descents without merging have as many blocks, too. Without presolve, which
would shrink the problems; one thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.command import add_page_options, finish, make_parser
from bench.processes import one_thread
from bench.results import read_results
from bench.solvers.run import setting
from bench.tables import Row, Table
from qubo_dnn.conversion import Sense, to_problem
from qubo_dnn.errors import OptionError
from qubo_dnn.files.common.output import write_atomically
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solution import Solution
from qubo_dnn.solving.solve import solve
from qubo_dnn.support.jit import compiling_here


class Instance(NamedTuple):
    """A file, and how it is read.

    Attributes:
        file: its name.
        best: best known value.
        formulation: what it is compiled with; None for a model.
        sense: of a model whose file has none.
    """

    file: str
    best: float
    formulation: str | None = None
    sense: Sense | None = None


INSTANCES = (
    Instance("bqp100_1.qubo.gz", 7970, sense="max"),
    Instance("gka1d.sparse", -6333),
    Instance("G11.txt.gz", 564, "max-cut"),
    Instance("nug12.dat", 578, "quadratic-assignment"),
)
READS, SIZE = 100, 16
_ENDLESS = 10**6
RESULTS, TITLE = "results.json", "Brute force over blocks"


def problems(folder: Path) -> Iterator[tuple[Instance, Problem[Any]]]:
    """The instances of a folder, read.

    Raises:
        OptionError: a file is missing.
    """
    for instance in INSTANCES:
        path = next(iter(sorted(folder.rglob(instance.file))), None)
        if path is None:
            raise OptionError(f"{folder} has no {instance.file}")
        yield instance, to_problem(path, formulation=instance.formulation, sense=instance.sense)


def row(instance: Instance, problem: Problem[Any], seconds: float, reference_seconds: float, seed: int) -> Row:
    """One instance with one seed.

    Args:
        instance: what is solved.
        problem: of the instance.
        seconds: time limit of `decompose:exact`.
        reference_seconds: time limit of `pt`.
        seed: of all.
    """
    # Whatever is compiled for such a problem is compiled before.
    with compiling_here():
        _solved(problem, "pt", {"time_limit": 0.05, "seed": seed})
    best = _solved(problem, "pt", {"time_limit": reference_seconds, "seed": seed})[0].best.objective
    shared = {"seed": seed, "block_size": SIZE, "block_reads": READS}
    target = {"target": problem.in_own_sense(best), "time_limit": seconds}
    found, cpu = _solved(problem, "decompose:exact", {**shared, **target})
    info = found.sampleset.info
    blocks = {**shared, "max_blocks": info["blocks"]}
    control, _ = _solved(problem, "decompose:random", {**blocks, "restarts": _ENDLESS})
    alone, _ = _solved(problem, "decompose:exact", {**blocks, "restarts": 0, "num_reads": _ENDLESS})
    return {
        "instance": instance.file.partition(".")[0],
        "best_known": instance.best,
        "variables": len(problem.variables),
        "groups": len(problem.one_hot),
        "seed": seed,
        "pt": best,
        "exact": found.best.objective,
        "reached": found.best.feasible and problem.in_own_sense(found.best.objective) <= problem.in_own_sense(best),
        "seconds": info["seconds"],
        "cpu_seconds": cpu,
        "wrapped_seconds": info["wrapped_seconds"],
        "blocks": info["blocks"],
        "starts": info["starts"],
        "strategies": info["strategies"],
        "random": control.best.objective,
        "without_merging": alone.best.objective,
        "processor": setting([])["processor"],
    }


def _solved(problem: Problem[Any], backend: str, options: dict[str, Any]) -> tuple[Solution[Any], float]:
    """A solution, and the CPU seconds that it took."""
    begun = time.process_time()
    return solve(problem, get_backend(backend), options, presolve=False), time.process_time() - begun


TABLE = Table(
    "instance | variables | groups | seed | best known | pt | decompose:exact | reached | s | CPU s | blocks | starts "
    "| without merging, as many blocks | decompose:random, as many blocks",
    lambda row: [
        row["instance"],
        str(row["variables"]),
        str(row["groups"]),
        str(row["seed"]),
        f"{row['best_known']:g}",
        f"{row['pt']:g}",
        f"{row['exact']:g}",
        "yes" if row["reached"] else "no",
        f"{row['seconds']:.1f}",
        f"{row['cpu_seconds']:.1f}",
        str(row["blocks"]),
        str(row["starts"]),
        f"{row['without_merging']:g}",
        f"{row['random']:g}",
    ],
)


def main() -> None:
    """Run, or read what was run, and write the page."""
    parser = make_parser(__doc__, "--seeds")
    parser.add_argument(
        "--instances", type=Path, metavar="DIR", help=f"with {', '.join(each.file for each in INSTANCES)}"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="time limit of decompose:exact")
    parser.add_argument("--reference-seconds", type=float, default=10.0, help="time limit of pt")
    add_page_options(parser, Path(__file__).parent / "results" / "blocks")
    words = parser.parse_args()
    if not words.report_only:
        if words.instances is None:
            raise OptionError("--instances is missing: the folder of the instances")
        one_thread()
        words.out.mkdir(parents=True, exist_ok=True)
        found = (
            row(instance, problem, words.seconds, words.reference_seconds, seed)
            for instance, problem in problems(words.instances)
            for seed in words.seeds
        )
        TABLE.print(found, words.out / RESULTS)
    rows = read_results(words.out / RESULTS, list[dict[str, Any]])
    page = f"# {TITLE}\n\n{__doc__}\n{rows[0]['processor']}.\n\n{TABLE.markdown(rows)}\n"
    write_atomically(words.out / "README.md", page.encode())


if __name__ == "__main__":
    finish(main)

"""A problem of ResNet-50's shape, dense only as a factor, solved by `pt`, in a process of its own.

    python -m bench.compression.factored --granularities channel --ranks 1024 4096 --time-limit 600

The problem is that of `bench.compression.scale`, its pairwise terms weighed as in `compress` (`--shrinkage`). Beside
the best plan found stand those of greedy and of the exact optimum without pairwise terms (HiGHS), both with all terms.
Seconds are of the process's CPU time, on one thread; memory is the process's peak.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench.command import finish
from bench.compression.measurements.setting import UNIT_OPTIONS
from bench.compression.methods.greedy import greedy
from bench.compression.methods.knapsack import knapsack
from bench.compression.scale import random_task
from bench.processes import measured
from bench.solvers.run import one_thread
from qubo_dnn.cli.output import write_json
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.pruning_quantization import PruningQuantization


@dataclass(frozen=True)
class Solved:
    """What came of one problem.

    Attributes:
        granularity: "layer", "channel" or "group:N".
        rank: columns of the factor.
        variables: of the problem.
        greedy, separable: objective of these plans, with pairwise terms.
        found: objective of the best plan of `pt`.
        feasible: whether it keeps the budget.
        compile_seconds, solve_seconds: of CPU time; solving includes reading the problem and the start.
        sweeps: of every replica.
        peak_gib: peak resident memory of the process.
    """

    granularity: str
    rank: int
    variables: int
    greedy: float
    separable: float
    found: float
    feasible: bool
    compile_seconds: float
    solve_seconds: float
    sweeps: int
    peak_gib: float = 0.0


def solved(granularity: str, rank: int, shrinkage: float, bits: float, time_limit: float, seed: int) -> Solved:
    """The figures of one problem, but for its memory."""
    started = time.process_time()
    formulation = PruningQuantization(
        random_task(granularity, UNIT_OPTIONS, rank, False, bits, seed), shrinkage=shrinkage
    )
    problem = formulation.compile()
    compiled = time.process_time()
    solution = solve(problem, get_backend("pt"), {"time_limit": time_limit, "seed": seed})
    ended = time.process_time()
    task, model = formulation.task, formulation.model
    factor = np.zeros((0, 0), np.float32) if model.factor is None else model.factor
    # The loss of a unit that no other changes with.
    alone = (model.linear + np.einsum("ij,ij->i", factor, factor) / 2.0).reshape(task.cost.shape)
    of_greedy, of_separable = (
        formulation.cost(task.plan(choice)) for choice in (greedy(task, alone), knapsack(task, alone).choice)
    )
    return Solved(
        granularity=granularity,
        rank=rank,
        variables=problem.objective.num_variables,
        greedy=of_greedy,
        separable=of_separable,
        found=solution.best.objective,
        feasible=solution.best.feasible,
        compile_seconds=compiled - started,
        solve_seconds=ended - compiled,
        sweeps=solution.sampleset.info["sweeps"][0],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Solve every size and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--granularities", nargs="+", default=["channel"])
    parser.add_argument("--ranks", type=int, nargs="+", default=[1024], help="columns of the factor")
    parser.add_argument("--shrinkage", type=float, default=0.7, help="of the pairwise terms")
    parser.add_argument("--bits", type=float, default=3.0, help="budget in stored bits per weight")
    parser.add_argument("--time-limit", type=float, default=600.0, help="seconds for each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file to write")
    words = parser.parse_args(arguments)
    # Processes started from now on inherit it.
    one_thread()
    rows = []
    names = ("units", "R", "variables", "greedy", "separable optimum", "pt", "compile, s", "solve, s", "sweeps")
    print("| " + " | ".join((*names, "peak memory, GiB")) + " |\n" + "|---" * 10 + "|")
    for granularity in words.granularities:
        for rank in words.ranks:
            took = measured(solved, granularity, rank, words.shrinkage, words.bits, words.time_limit, words.seed)
            rows.append(asdict(took.value) | {"peak_gib": took.peak_bytes / 2**30})
            print(
                "| {granularity} | {rank} | {variables} | {greedy:.6g} | {separable:.6g} | {found:.6g} "
                "| {compile_seconds:.0f} | {solve_seconds:.0f} | {sweeps} | {peak_gib:.2f} |".format(**rows[-1]),
                flush=True,
            )
    if words.json:
        write_json(words.json, rows)


if __name__ == "__main__":
    finish(main)

"""A problem of ResNet-50's shape, dense only as a factor, solved by `pt`, in a process of its own.

    python -m bench.compression.factored --granularities channel --ranks 1024 4096 --time-limit 600

The problem is that of `bench.compression.scale`, its pairwise terms weighed as in `compress` (`--shrinkage`). Beside
the best plan found stand those of greedy and of the optimum without pairwise terms (within its proven gap), both with
all terms, and the quick plan that parameters are tuned with.
Seconds are of the process's CPU time, on one thread; memory is the process's peak.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from bench.command import finish, make_parser
from bench.compression.methods.greedy import greedy
from bench.compression.methods.knapsack import knapsack
from bench.networks.problems import SHRINKAGE
from bench.networks.resnet50 import random_task
from bench.processes import cpu_timed, measured, one_thread
from bench.tables import Row, Table
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.pruning_quantization import PruningQuantization

TABLE = Table(
    "units | R | variables | greedy | separable optimum | quick plan | pt "
    "| quick plan, s | compile, s | solve, s | sweeps | peak memory, GiB",
    "{granularity} | {rank} | {variables} | {greedy:.6g} | {separable:.6g} | {quick:.6g} | {found:.6g} "
    "| {quick_seconds:.0f} | {compile_seconds:.0f} | {solve_seconds:.0f} | {sweeps} | {peak_gib:.2f}",
)


@dataclass(frozen=True)
class Solved:
    """What came of one problem.

    Attributes:
        granularity: "layer", "channel" or "group:N".
        rank: columns of the factor.
        variables: of the problem.
        greedy, separable, quick: objective of these plans, with pairwise terms.
        found: objective of the best plan of `pt`.
        feasible: whether it keeps the budget.
        quick_seconds, compile_seconds, solve_seconds: of CPU time; solving includes reading the problem and the start.
        sweeps: of every replica.
    """

    granularity: str
    rank: int
    variables: int
    greedy: float
    separable: float
    quick: float
    found: float
    feasible: bool
    quick_seconds: float
    compile_seconds: float
    solve_seconds: float
    sweeps: int


def solved(granularity: str, rank: int, shrinkage: float, bits: float, time_limit: float, seed: int) -> Solved:
    """The figures of one problem, but for its memory."""

    def compiled() -> tuple[PruningQuantization, Problem[Plan]]:
        formulation = PruningQuantization(random_task(granularity, rank, bits, seed), shrinkage=shrinkage)
        return formulation, formulation.compile()

    (formulation, problem), compile_seconds = cpu_timed(compiled)
    answer, solve_seconds = cpu_timed(solve, problem, get_backend("pt"), {"time_limit": time_limit, "seed": seed})
    task, model, best = formulation.task, formulation.model, answer.best
    factor = np.zeros((0, 0), np.float32) if model.factor is None else model.factor
    # The loss of a unit that no other changes with.
    alone = (model.linear + np.einsum("ij,ij->i", factor, factor) / 2.0).reshape(task.cost.shape)
    of_greedy = formulation.cost(task.plan(greedy(task, alone)))
    of_separable = formulation.cost(task.plan(knapsack(task, alone).choice))
    plan, quick_seconds = cpu_timed(formulation.quick_plan)
    assert plan is not None  # the least options keep the only budget
    of_quick, sweeps = formulation.cost(plan), answer.sampleset.info["sweeps"][0]
    return Solved(
        *(granularity, rank, problem.objective.num_variables, of_greedy, of_separable, of_quick),
        *(best.objective, best.feasible, quick_seconds, compile_seconds, solve_seconds, sweeps),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Solve every size and print a table."""
    parser = make_parser(__doc__, "--seed", "--json")
    parser.add_argument("--granularities", nargs="+", default=["channel"])
    parser.add_argument("--ranks", type=int, nargs="+", default=[1024], help="columns of the factor")
    parser.add_argument("--shrinkage", type=float, default=SHRINKAGE, help="of the pairwise terms")
    parser.add_argument("--bits", type=float, default=3.0, help="budget in stored bits per weight")
    parser.add_argument("--time-limit", type=float, default=600.0, help="seconds for each")
    words = parser.parse_args(arguments)
    one_thread()

    def rows() -> Iterator[Row]:
        for granularity in words.granularities:
            for rank in words.ranks:
                took = measured(solved, granularity, rank, words.shrinkage, words.bits, words.time_limit, words.seed)
                yield {**asdict(took.value), "peak_gib": took.peak_gib}

    TABLE.print(rows(), words.json)


if __name__ == "__main__":
    finish(main)

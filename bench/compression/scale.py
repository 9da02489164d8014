"""How large a network can be: the problem of a ResNet-50's shape built and compiled in a process of its own.

    python -m bench.compression.scale --granularities group:16 channel

The layers' shapes and costs are ResNet-50's; its sensitivity is a random factor F, [units * options, R] with Q = F F',
with rows as long as the squared errors of its options would make them. Nothing is measured or solved: seconds and
peak memory are those of building the task, and of compiling it. `--matrix` multiplies the factor out, for comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from bench.command import finish, make_parser
from bench.networks.resnet50 import random_task
from bench.processes import measured, timed
from bench.tables import Row, Table
from qubo_formulations.pruning_quantization import PruningQuantization

TABLE = Table(
    "units | R | variables | interactions | task, s | compile, s | peak memory, GiB",
    "{units} ({granularity}) | {rank} | {variables} | {interactions} "
    "| {task_seconds:.1f} | {compile_seconds:.1f} | {peak_gib:.2f}",
)


@dataclass(frozen=True)
class Size:
    """How large a problem is, and what compiling it takes.

    Attributes:
        granularity: "layer", "channel" or "group:N".
        rank: R, columns of the factor.
        units, variables: of the problem.
        interactions: that are written out as pairs; those of a factor are not.
        task_seconds: wall-clock seconds of making the random task.
        compile_seconds: of the formulation and its `compile`.
    """

    granularity: str
    rank: int
    units: int
    variables: int
    interactions: int
    task_seconds: float
    compile_seconds: float


def compiled(granularity: str, rank: int, matrix: bool, bits: float, seed: int) -> Size:
    """The sizes and seconds of one problem."""
    task, task_seconds = timed(random_task, granularity, rank, bits, seed, matrix)
    problem, compile_seconds = timed(lambda: PruningQuantization.from_task(task).compile())
    objective = problem.objective
    sizes = (len(task.cost), objective.num_variables, objective.num_interactions)
    return Size(granularity, rank, *sizes, task_seconds, compile_seconds)


def main() -> None:
    """Compile every granularity and print a table."""
    parser = make_parser(__doc__, "--seed", "--json")
    parser.add_argument("--granularities", nargs="+", default=["group:16", "group:4", "channel"])
    parser.add_argument("--rank", type=int, default=1024, help="columns of the factor: images times probes")
    parser.add_argument("--matrix", action="store_true", help="multiply the factor out")
    parser.add_argument("--bits", type=float, default=3.0, help="budget in stored bits per weight")
    words = parser.parse_args()

    def rows() -> Iterator[Row]:
        for granularity in words.granularities:
            took = measured(compiled, granularity, words.rank, words.matrix, words.bits, words.seed)
            yield {**asdict(took.value), "before_gib": took.before_bytes / 2**30, "peak_gib": took.peak_gib}

    TABLE.print(rows(), words.json)


if __name__ == "__main__":
    finish(main)

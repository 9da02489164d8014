"""How large a network can be: the problem of a ResNet-50's shape built and compiled in a process of its own.

    python -m bench.compression.scale --granularities group:16 channel

The layers' shapes and costs are ResNet-50's; its sensitivity is a random factor F, [units * options, R] with Q = F F',
with rows as long as the squared errors of its options would make them. Nothing is measured or solved: seconds and
peak memory are those of building the task, and of compiling it. `--matrix` multiplies the factor out, for comparison.
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
from bench.networks.resnet50 import resnet50_layers
from bench.processes import measured
from qubo_dnn.cli.output import write_json
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.compression.task.stored_bits import LAYER_OVERHEAD_BITS, stored_bits
from qubo_dnn.compression.task.task import CompressionTask, check_compression
from qubo_dnn.registry import get_formulation


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
        before_gib, peak_gib: peak resident memory of the process before it began, and at its end.
    """

    granularity: str
    rank: int
    units: int
    variables: int
    interactions: int
    task_seconds: float
    compile_seconds: float
    before_gib: float = 0.0
    peak_gib: float = 0.0


def random_task(
    granularity: str, options: Sequence[Option], rank: int, matrix: bool, bits: float, seed: int
) -> CompressionTask:
    """A task of ResNet-50's shape.

    Args:
        granularity: "layer", "channel" or "group:N".
        options: in ascending order.
        rank: columns of the factor of its sensitivity.
        matrix: whether the factor is multiplied out.
        bits: the limit, in stored bits per weight.
        seed: of the factor.
    """
    layers = resnet50_layers(granularity)
    shapes = [(layer.weights_per_channel, channels) for layer in layers for channels in layer.unit_channels]
    weights = np.array([each * channels for each, channels in shapes], float)
    # The error of b-bit rounding falls by a factor of four with every bit.
    relative = np.array([0.25**option.bits for option in options])
    squared_error = weights[:, None] * relative
    factor = np.random.default_rng(seed).standard_normal((squared_error.size, rank), np.float32)
    factor *= np.sqrt(squared_error / rank).reshape(-1, 1).astype(np.float32)
    return CompressionTask(
        layers=layers,
        options=tuple(options),
        cost=np.array([[stored_bits(*shape, option) for option in options] for shape in shapes], np.int64),
        overhead=LAYER_OVERHEAD_BITS * len(layers),
        limit=bits * float(weights.sum()),
        mean_magnitude=np.ones(len(weights)),
        squared_error=squared_error,
        sensitivity=QuadraticLossModel(
            matrix=factor @ factor.T if matrix else None,
            factor=None if matrix else factor,
            linear=np.zeros(len(factor)),
        ),
    )


def compiled(granularity: str, rank: int, matrix: bool, bits: float, seed: int) -> Size:
    """The sizes and seconds of one problem."""
    started = time.perf_counter()
    task = random_task(granularity, UNIT_OPTIONS, rank, matrix, bits, seed)
    made = time.perf_counter()
    problem = check_compression(get_formulation("pruning-quantization")).from_task(task).compile()
    return Size(
        granularity=granularity,
        rank=rank,
        units=len(task.cost),
        variables=problem.objective.num_variables,
        interactions=problem.objective.num_interactions,
        task_seconds=made - started,
        compile_seconds=time.perf_counter() - made,
    )


def main() -> None:
    """Compile every granularity and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--granularities", nargs="+", default=["group:16", "group:4", "channel"])
    parser.add_argument("--rank", type=int, default=1024, help="columns of the factor: images times probes")
    parser.add_argument("--matrix", action="store_true", help="multiply the factor out")
    parser.add_argument("--bits", type=float, default=3.0, help="budget in stored bits per weight")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file to write")
    words = parser.parse_args()
    sizes = []
    print("| units | R | variables | interactions | task, s | compile, s | peak memory, GiB |\n" + "|---" * 7 + "|")
    for granularity in words.granularities:
        took = measured(compiled, granularity, words.rank, words.matrix, words.bits, words.seed)
        gib = {"before_gib": took.before_bytes / 2**30, "peak_gib": took.peak_bytes / 2**30}
        sizes.append(asdict(took.value) | gib)
        print(
            "| {units} ({granularity}) | {rank} | {variables} | {interactions} | {task_seconds:.1f} "
            "| {compile_seconds:.1f} | {peak_gib:.2f} |".format(**sizes[-1])
        )
    if words.json:
        write_json(words.json, sizes)


if __name__ == "__main__":
    finish(main)

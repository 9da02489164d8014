"""Pruning-quantization problems of one network, from a few units to many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from torch import nn

from bench.networks.subject import Subject
from qubo_dnn.compression.network.dataset import Data
from qubo_dnn.compression.search.task_builder import measured_task
from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.problem import Problem
from qubo_formulations.pruning_quantization import PruningQuantization


@dataclass(frozen=True)
class EmbeddingCase:
    """One problem.

    Attributes:
        granularity: unit of choice.
        options: bit widths to choose from.
        units: that choose.
        problem: with its budget as a constraint.
    """

    granularity: str
    options: tuple[int, ...]
    units: int
    problem: Problem[Plan]


def cases(
    network: nn.Module,
    images: Data,
    granularities: Sequence[str],
    options: Sequence[tuple[int, ...]],
    bits_per_weight: float,
    seed: int,
) -> Iterator[EmbeddingCase]:
    """Every granularity with every list of options, measured on all images.

    Args:
        network: gives logits.
        images: to measure on.
        granularities: see `qubo_dnn.compression.task.granularity`.
        options: bit widths, ascending.
        bits_per_weight: the budget, everything stored counted.
        seed: of the measurement.
    """
    for granularity in granularities:
        for widths in options:
            subject = Subject.of(network, granularity, bit_widths(*widths))
            sensitivity = gauss_newton(network, subject.changes, images, seed=seed)
            task = measured_task(subject.task, subject.changes, sensitivity)
            limited = replace(task, limit=bits_per_weight * task.weights)
            problem = PruningQuantization.from_task(limited, shrinkage=0.7).compile()
            yield EmbeddingCase(granularity, widths, len(task.cost), problem)

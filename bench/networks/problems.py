"""Pruning-quantization problems of one network, from a few units to many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from bench.networks.loading import load
from bench.networks.subject import Subject
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.problem import Problem
from qubo_formulations.pruning_quantization import PruningQuantization

SHRINKAGE = 0.7
"""Of the pairwise terms, in the middle of what `compress` tunes."""


@dataclass(frozen=True)
class NetworkCase:
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
    seed: int = 0,
) -> Iterator[NetworkCase]:
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
            task = Subject.of(network, granularity, bit_widths(*widths)).measured(images, bits_per_weight, seed)
            problem = PruningQuantization.from_task(task, shrinkage=SHRINKAGE).compile()
            yield NetworkCase(granularity, widths, len(task.cost), problem)


def stored_cases(
    folder: Path | None,
    images: int,
    granularities: Sequence[str],
    options: Sequence[tuple[int, ...]],
    bits_per_weight: float,
    seed: int = 0,
) -> Iterator[NetworkCase]:
    """`cases` of the network in a folder.

    Args:
        folder: see `bench.networks.loading.load`.
        images: how many calibration images are drawn to measure on; all, where there are fewer.
        granularities: see `cases`.
        options: see `cases`.
        bits_per_weight: see `cases`.
        seed: of the draw and of the measurement.
    """
    network, calibration, _ = load(folder)
    drawn = calibration.subset(min(images, len(calibration)), seed)
    yield from cases(network, drawn, granularities, options, bits_per_weight, seed)

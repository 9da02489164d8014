"""Problems of networks, in the paper's Hamiltonian and in this project's, from layers to single channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.compression.measurements.setting import Conditions
from bench.networks.loading import load
from bench.networks.problems import SHRINKAGE
from bench.networks.subject import PAPER_OPTIONS, UNIT_OPTIONS, Subject
from bench.processes import timed
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.task.options import Option, bit_widths
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.problem import Problem
from qubo_formulations.aqc_pruning_quantization import AqcPruningQuantization
from qubo_formulations.pruning_quantization import PruningQuantization

BITS = 3.0
# A unit of a small network has few options, so that the circuits of `qaoa` fit.
_FEW = bit_widths(2, 3, 4)


@dataclass(frozen=True)
class ClaimCase:
    """One problem.

    Attributes:
        name: of the network and the unit of choice.
        formulation: what it is made of.
        measure_seconds: wall-clock seconds of measuring the network; 0.0 where weights alone are looked at.
    """

    name: str
    formulation: PruningQuantization | AqcPruningQuantization
    measure_seconds: float

    @cached_property
    def problem(self) -> Problem[Plan]:
        """Compiled, with its budget as a constraint."""
        return self.formulation.compile()

    @property
    def task(self) -> CompressionTask:
        """The network's measured task."""
        return self.formulation.task


@dataclass(frozen=True)
class Network:
    """A network with its images.

    Attributes:
        name: in tables.
        subjects: by granularity and options.
        measured_on: images for sensitivities and recovery.
        judged_on: further images, by which repairs are kept.
        test: images for the final accuracy.
    """

    name: str
    measured_on: Data
    judged_on: Data
    test: Data
    subjects: Mapping[tuple[str, tuple[Option, ...]], Subject]


def network_of(folder: Path | None, tests: int) -> Network:
    """The zoo's network, or that of a folder (see `bench.networks.loading.load`), with at most `tests` images."""
    model, calibration, test = load(folder)
    conditions = Conditions.fitting(len(calibration), held_out=0)
    measured_on, rest = calibration.split(conditions.calibration_size, 0)
    judged_on, _ = rest.split(conditions.judge_size, 0)
    choices = [("layer", UNIT_OPTIONS if folder else _FEW), ("group:16", UNIT_OPTIONS), ("channel", UNIT_OPTIONS)]
    subjects = {
        (granularity, options): Subject.of(model, granularity, options)
        for granularity, options in [*choices, ("channel", PAPER_OPTIONS)]
    }
    name = "ResNet-20" if folder else "MNIST CNN"
    return Network(name, measured_on, judged_on, test.subset(min(tests, len(test)), 0), subjects)


def cases(network: Network, granularities: Sequence[str]) -> Iterator[tuple[ClaimCase, Subject]]:
    """Every problem of a network, and what its plans rewrite.

    Args:
        network: measured on its images.
        granularities: to take, of this project's formulation; "paper" takes the paper's.
    """
    for (granularity, options), subject in network.subjects.items():
        if options == PAPER_OPTIONS:
            if "paper" in granularities:
                paper = AqcPruningQuantization(subject.limited(BITS), beta=1.0)
                yield ClaimCase(f"{network.name}, filters", paper, 0.0), subject
        elif granularity in granularities:
            task, seconds = timed(subject.measured, network.measured_on, BITS)
            units = {"layer": "layers", "channel": "channels"}.get(granularity, f"groups of {granularity[6:]}")
            formulation = PruningQuantization(task, shrinkage=SHRINKAGE)
            yield ClaimCase(f"{network.name}, {units}", formulation, seconds), subject

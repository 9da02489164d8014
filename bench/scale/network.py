"""What compressing a network takes, calculated from its size: variables, time, memory and traffic.

All formulas are linear in what they depend on. Sizes follow from the method; rates are measured on a small network, or
stated for hardware. The calculation also covers a design that the product does not have: windows of layers with a
projected factor, see `windows`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

GIB = 2**30
FLOAT = 4


@dataclass(frozen=True)
class Network:
    """A network and how it is measured.

    Attributes:
        name: of the network.
        weights: that are compressed.
        macs: multiply-accumulates of a forward pass of one sample through them.
        layers: number of layers.
        group: weights of a unit.
        options: of a unit.
        samples: that are measured on.
        probes: backward passes for every sample.
    """

    name: str
    weights: float
    macs: float
    layers: int
    group: float
    options: int
    samples: int
    probes: int

    @property
    def units(self) -> int:
        """Number of decisions."""
        return math.ceil(self.weights / self.group)

    @property
    def variables(self) -> int:
        """Number of binary variables: one per unit and option."""
        return self.units * self.options

    @property
    def columns(self) -> int:
        """Columns of the factor: one per sample and probe."""
        return self.samples * self.probes

    @property
    def factor_bytes(self) -> int:
        """Of the factor in single precision."""
        return FLOAT * self.variables * self.columns

    @property
    def measuring_flops(self) -> float:
        """Of forward and backward passes, and of the products of gradients with the changes of all options."""
        forward, backward = 2.0 * self.macs, 4.0 * self.macs
        along_options = 2.0 * self.weights * self.options
        return self.samples * (forward + self.probes * (backward + along_options))

    @property
    def change_bytes(self) -> float:
        """Of the changes of all weights at all options, in single precision, which one measurement keeps."""
        return FLOAT * self.weights * self.options


@dataclass(frozen=True)
class Solver:
    """Measured coefficients of `pt` on problems with a factor.

    Attributes:
        variable_bytes: peak memory per variable, beside the factor.
        product_seconds: CPU seconds of a sweep of one replica, per variable and column.
    """

    variable_bytes: float
    product_seconds: float

    def bytes(self, variables: float, columns: float) -> float:
        """Return the peak memory beyond that of a tiny problem."""
        return variables * (self.variable_bytes + FLOAT * columns)

    def sweep_seconds(self, variables: float, columns: float, replicas: int = 8) -> float:
        """Return the seconds of a sweep."""
        return self.product_seconds * replicas * variables * columns


@dataclass(frozen=True)
class Machine:
    """Hardware, by its stated figures.

    Attributes:
        name: of the machine.
        flops: per second that a training step sustains.
        memory: bytes.
        link: bytes per second to other workers.
    """

    name: str
    flops: float
    memory: float
    link: float


@dataclass(frozen=True)
class Windows:
    """A design for networks whose factor does not fit: windows of consecutive layers, each solved by itself.

    The factor's columns are projected onto `rank` random directions, which keeps products of rows in the mean; every
    worker projects what it measures, and the sums of all workers' parts are scattered by windows. The windows of a
    round are solved with the rest fixed, which they know by the sum of its rows (`rank` numbers); budgets are kept by
    one price for all. Windows overlap by half, so that every pair of neighbours is solved together once in a round.

    Attributes:
        count: number of windows.
        variables: of one of them.
        factor_bytes: of one of them.
        solver_bytes: peak memory of solving one.
        scattered_bytes: that a worker sends once, after measuring.
        round_bytes: that a worker sends in a round.
        sweep_seconds: of one sweep of all windows of a round, on one worker's core.
    """

    count: int
    variables: int
    factor_bytes: float
    solver_bytes: float
    scattered_bytes: float
    round_bytes: float
    sweep_seconds: float


def windows(network: Network, solver: Solver, layers: int, rank: int, workers: int) -> Windows:
    """Calculate the design.

    Args:
        network: the network.
        solver: measured coefficients.
        layers: of a window.
        rank: directions that the columns are projected onto.
        workers: that measure and solve.
    """
    count = max(2 * math.ceil(network.layers / layers) - 1, 1)
    variables = math.ceil(network.variables * min(layers / network.layers, 1.0))
    chosen = network.units / 8  # one of 256 options a byte would be more than enough; options fit into few bits
    return Windows(
        count=count,
        variables=variables,
        factor_bytes=FLOAT * variables * rank,
        solver_bytes=solver.bytes(variables, rank),
        scattered_bytes=FLOAT * network.variables * rank * (workers - 1) / workers,
        round_bytes=count / workers * FLOAT * (rank + 1) + chosen * math.log2(network.options) / workers,
        sweep_seconds=count / workers * solver.sweep_seconds(variables, rank),
    )


LLM = Network("7 billion weights", 7e9, 7e9 * 2048, 32 * 7, 128, 4, samples=128, probes=8)
"""A transformer of 32 blocks of 7 matrices; 128 samples of 2,048 tokens, so that every weight is used 2,048 times."""

ACCELERATOR = Machine("8 accelerators", 8 * 4e14, 8 * 80 * GIB, 50e9)
"""Eight accelerators that sustain 400 TFLOP/s each, with 80 GiB each, linked to other machines by 400 Gbit/s."""

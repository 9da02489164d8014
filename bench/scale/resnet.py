"""ResNet-20 (or the zoo's network): what is calculated for it in `bench.scale.network`, against what is measured."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.processes import measured, one_thread
from bench.scale.factors import OPTIONS, budgeted, random_factor
from bench.scale.network import Network, Solver
from bench.tables import Table

CHECKS = Table(
    "granularity | variables | factor, MiB: calculated | measured | measuring, s: calculated | measured "
    "| solver, MiB: calculated | measured",
    "{granularity} | {variables:,} | {factor_mib:.1f} | {measured_factor_mib:.1f} | {seconds:.1f} "
    "| {measured_seconds:.1f} | {solver_mib:.1f} | {measured_solver_mib:.1f}",
    "Calculated against measured",
    "The network of `--data` by options of 0, 2, 4 and 8 bits. Seconds are of CPU time; they are calculated with the "
    "rate of the first row, whose own seconds are therefore exact. Memory of the solver is the peak of a process "
    "beyond that of ten groups, calculated with coefficients of the table of factors.",
)


@dataclass(frozen=True)
class Check:
    """One granularity.

    Attributes:
        granularity: "layer", "channel" or "group:N".
        variables: calculated.
        factor_mib, measured_factor_mib: size of the factor.
        flops: calculated, of measuring.
        seconds, measured_seconds: of measuring.
        solver_mib, measured_solver_mib: peak memory of solving.
    """

    granularity: str
    variables: int
    factor_mib: float
    measured_factor_mib: float
    flops: float
    seconds: float
    measured_seconds: float
    solver_mib: float
    measured_solver_mib: float


def measure(folder: Path | None, granularity: str, images: int, seed: int, into: Path) -> tuple[Network, int, float]:
    """Measure the network's factor and write it to a file.

    Returns:
        What the network is by its numbers, the factor's bytes, and CPU seconds.
    """
    one_thread()
    from bench.networks.loading import load
    from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
    from qubo_dnn.compression.network.layers import find_layers
    from qubo_dnn.compression.network.macs import count_macs
    from qubo_dnn.compression.quantization.candidates import make_candidates
    from qubo_dnn.compression.search.task_builder import layer_changes
    from qubo_dnn.compression.sensitivity.gauss_newton import gauss_newton
    from qubo_dnn.compression.task.options import bit_widths

    model, data, _ = load(folder)
    data = data.subset(min(len(data), images), seed)
    inventory, options = find_layers(model), bit_widths(*map(int, OPTIONS))
    changes = layer_changes(inventory, granularity, make_candidates(inventory, options))
    weights = sum(layer.weight.numel() for layer in inventory.layers)
    macs = sum(count_macs(inventory, data).values())
    units = sum(each.units for each in changes)
    started = time.process_time()
    found = gauss_newton(model, changes, data, loss=CROSS_ENTROPY, seed=seed, as_factor=True)
    seconds = time.process_time() - started
    assert found.factor is not None
    np.save(into, found.factor)
    probes = found.factor.shape[1] // len(data)
    network = Network(
        *("", weights, macs, len(inventory.layers), weights / units, len(options)), samples=len(data), probes=probes
    )
    return network, found.factor.nbytes, seconds


def solve_file(path: Path, time_limit: float, seed: int) -> bool:
    """Solve the problem of a factor; whether its budget is kept."""
    one_thread()
    from qubo_dnn.registry import get_backend
    from qubo_dnn.solving.solve import solve

    problem = budgeted(np.load(path))
    return solve(problem, get_backend("pt"), {"time_limit": time_limit, "seed": seed}).best.feasible


def check_rows(
    solver: Solver, data: Path | None, granularities: list[str], images: int, seed: int, folder: Path
) -> Iterator[Check]:
    """Measure and solve every granularity; the first one's rate is used for all."""
    tiny = folder / "tiny.npy"
    np.save(tiny, random_factor(10, 64, seed))
    base = measured(solve_file, tiny, 2.0, seed).peak_bytes
    tiny.unlink()
    rate = None
    for granularity in granularities:
        path = folder / "factor.npy"
        network, size, seconds = measured(measure, data, granularity, images, seed, path).value
        rate = rate or network.measuring_flops / seconds
        solved = measured(solve_file, path, 10.0, seed)
        path.unlink()
        yield Check(
            granularity=granularity,
            variables=network.variables,
            factor_mib=network.factor_bytes / 2**20,
            measured_factor_mib=size / 2**20,
            flops=network.measuring_flops,
            seconds=network.measuring_flops / rate,
            measured_seconds=seconds,
            solver_mib=solver.bytes(network.variables, network.columns) / 2**20,
            measured_solver_mib=(solved.peak_bytes - base) / 2**20,
        )


def rate_of(checks: list[Check]) -> float:
    """Return the FLOP/s that measuring sustains, over all rows."""
    return sum(each.flops for each in checks) / sum(each.measured_seconds for each in checks)

"""What a quantum annealer would read, offline: noise on what is programmed, then simulated quantum annealing.

The transverse field falls geometrically and the problem's energy grows linearly, in the manner of an annealing
schedule; the default magnitudes are of the order of an Advantage system's, and no calibration of any chip.

Source: of the annealer, King et al. 2021, https://doi.org/10.1038/s41467-021-20901-5; of noise ("integrated control
errors") as independent normal errors of h and J, D-Wave's documentation of its QPUs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.embedding.program import AnnealingProgram


@dataclass(frozen=True)
class Chip:
    """How the emulated chip behaves.

    Attributes:
        h_noise, j_noise: standard deviation of the error of every programmed field and coupling, after scaling.
        beta: energy of a programmed coupling of 1 over temperature, at the end of the anneal.
        transverse_field: first and last value, over temperature.
        sweeps: Monte Carlo sweeps of an anneal, in place of its duration.
        spin_reversals: programmings, each with errors and a random gauge of its own; the reads are shared out.
    """

    h_noise: float = 0.02
    j_noise: float = 0.01
    beta: float = 13.0
    transverse_field: tuple[float, float] = (9.0, 0.01)
    sweeps: int = 200
    spin_reversals: int = 1


def emulate(
    program: AnnealingProgram, chip: Chip, reads: int, seed: int, stop: Callable[[], bool] = lambda: False
) -> NDArray[np.int8]:
    """Read the chip.

    Args:
        program: scaled to the chip's ranges before it is programmed, up or down, as the QPU does.
        chip: what reads it.
        reads: wanted, >= 1.
        seed: of errors, gauges and anneals.
        stop: asked after every read whether to end.

    Returns:
        [reads, qubits] of -1 and 1, columns as in `AnnealingProgram.qubits`; fewer where `stop` said so, at least one.
    """
    from dwave.samplers import PathIntegralAnnealingSampler

    rows, columns, biases = program.couplings
    size, rng = len(program.qubits), np.random.default_rng(seed)
    if not size:
        return np.zeros((reads, 0), np.int8)
    problem = chip.beta * np.linspace(0.0, 1.0, chip.sweeps) if chip.sweeps > 1 else np.array([chip.beta])
    driver = np.geomspace(*chip.transverse_field, chip.sweeps)
    kept: list[NDArray[np.int8]] = []
    for share in shares(reads, chip.spin_reversals):
        gauge = rng.choice([-1.0, 1.0], size) if chip.spin_reversals > 1 else np.ones(size)
        h = program.scale * program.fields * gauge + rng.normal(0.0, chip.h_noise, size)
        j = program.scale * biases * gauge[rows] * gauge[columns] + rng.normal(0.0, chip.j_noise, len(biases))
        answer = PathIntegralAnnealingSampler().sample(
            dimod.BinaryQuadraticModel.from_numpy_vectors(h, (rows, columns, j), 0.0, dimod.SPIN),
            num_reads=share,
            num_sweeps=chip.sweeps,
            seed=int(rng.integers(1, 2**31)),
            beta_schedule_type="custom",
            Hp_field=problem,
            Hd_field=driver,
            interrupt_function=stop,
        )
        places = [answer.variables.index(qubit) for qubit in range(size)]
        kept.append((answer.record.sample[:, places] * gauge).astype(np.int8))
        if stop():
            break
    return np.concatenate(kept)


def shares(total: int, parts: int) -> list[int]:
    """`total` in at most `parts` nearly equal shares, none of them 0."""
    parts = min(parts, total)
    return [total // parts + (index < total % parts) for index in range(parts)]

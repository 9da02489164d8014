"""Emulate a quantum annealer offline: noise on the programmed values, then simulated quantum annealing.

The transverse field falls geometrically and the energy of the problem grows linearly, similar to an annealing schedule.
The default magnitudes are of the order of an Advantage system, without calibration to any chip.

Source: annealer, King et al. 2021, https://doi.org/10.1038/s41467-021-20901-5; noise ("integrated control
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
    """Parameters of the emulated chip.

    Attributes:
        h_noise, j_noise: standard deviation of the error of every programmed field and coupling, after scaling.
        beta: energy of a programmed coupling of 1 over temperature, at the end of the anneal.
        transverse_field: first and last value of the field, over temperature.
        sweeps: Monte Carlo sweeps of an anneal, in place of its duration.
        spin_reversals: number of programmings, each with separate errors and a random gauge; they share the reads.

    Example:
        >>> Chip(h_noise=0.0, j_noise=0.0).sweeps
        200
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
        program: the program; it is scaled up or down to the ranges of the chip first, as on a QPU.
        chip: parameters of the chip.
        reads: number of reads, >= 1.
        seed: random seed of errors, gauges and anneals.
        stop: called after every read; True ends the run.

    Returns:
        [reads, qubits] of -1 and 1, columns as in `AnnealingProgram.qubits`; fewer reads if `stop` ends the run, at
        least one.

    Example:
        >>> import networkx as nx
        >>> from qubo_dnn.embedding.embedding import embed
        >>> from qubo_dnn.embedding.program import program
        >>> from qubo_dnn.embedding.target import target
        >>> triangle = dimod.BinaryQuadraticModel({}, {("a", "b"): 1, ("b", "c"): 1, ("a", "c"): 1}, "SPIN")
        >>> plan = program(triangle, embed(nx.complete_graph(["a", "b", "c"]), target("chimera:1")), chain_strength=2.0)
        >>> emulate(plan, Chip(), reads=5, seed=1).shape  # 6 qubits
        (5, 6)
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
    """Split `total` into at most `parts` nearly equal shares, none of them 0.

    Example:
        >>> shares(10, 3)
        [4, 3, 3]
    """
    parts = min(parts, total)
    return [total // parts + (index < total % parts) for index in range(parts)]

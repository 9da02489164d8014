"""The annealers of OpenJij, called beneath their samplers, which convert the model in Python in every call."""

from __future__ import annotations

from typing import Any

import dimod
import numpy as np
from scipy.sparse import coo_matrix

from bench.solvers.clock import CpuClock
from bench.solvers.peers.peer import Ising, Peer, Run, calls

_FIRST = 16
# Slices and transverse field are the sampler's defaults. Its default inverse temperature, 5, is shared by the slices,
# and leaves them too hot even in units of the local field: this one is far better with penalties or dense couplings.
_TROTTER, _BETA, _GAMMA = 4, 100.0, 1.0


def _graph(ising: Ising, scale: float) -> Any:
    """OpenJij's graph: couplings above the diagonal, fields in a last column, 1 in the corner."""
    from openjij.cxxjij import graph

    n = ising.size
    entries = np.concatenate([ising.couplings / scale, ising.fields / scale, [1.0]])
    rows = np.concatenate([ising.rows, np.arange(n + 1)])
    columns = np.concatenate([ising.columns, np.full(n + 1, n)])
    matrix = coo_matrix((entries, (rows, columns)), shape=(n + 1, n + 1)).tocsr()
    if not ising.dense:
        return graph.CSRSparse(matrix)
    dense = graph.Dense(n)
    dense.set_interaction_matrix(matrix.toarray())
    return dense


def _annealing(bqm: dimod.BinaryQuadraticModel) -> Run:
    from openjij.cxxjij import algorithm, result, system, utility

    ising = Ising.of(bqm)
    graph = _graph(ising, 1.0)
    hot, cold = ising.beta_range()

    def run(clock: CpuClock, seed: int) -> None:
        for sweeps, each in calls(clock, seed, _FIRST):
            spins = system.make_classical_ising(graph.gen_spin(each), graph)
            schedule = utility.make_classical_schedule_list(
                beta_min=hot, beta_max=cold, one_mc_step=1, num_call_updater=sweeps
            )
            algorithm.Algorithm_SingleSpinFlip_run(spins, each, schedule)
            ising.report(clock, np.array(result.get_solution(spins)))
            clock.attempted(sweeps * ising.size)

    return run


def _quantum(bqm: dimod.BinaryQuadraticModel) -> Run:
    from openjij.cxxjij import algorithm, system
    from openjij.sampler.sqa_sampler import quartic_ising_schedule

    ising = Ising.of(bqm)
    graph = _graph(ising, ising.scale)

    def run(clock: CpuClock, seed: int) -> None:
        for sweeps, each in calls(clock, seed, _FIRST):
            starts = [graph.gen_spin(each + slice_) for slice_ in range(_TROTTER)]
            spins = system.make_transverse_ising(starts, graph, _GAMMA)
            schedule, _ = quartic_ising_schedule(None, _BETA, _GAMMA, sweeps)
            algorithm.Algorithm_SingleSpinFlip_run(spins, each, schedule)
            ising.report(clock, np.array(spins.trotter_spins)[:-1].T)
            clock.attempted(sweeps * ising.size * _TROTTER)

    return run


PEERS = (
    Peer("OpenJij SA", "beta from 0.3/sigma to 12/sigma, sweeps doubled", "openjij", "openjij:SASampler", _annealing),
    Peer(
        "OpenJij SQA",
        f"{_TROTTER} slices, beta {_BETA:g}/sigma, field {_GAMMA:g} sigma, sweeps doubled",
        "openjij",
        "openjij:SQASampler",
        _quantum,
    ),
)

"""The tabu search of dwave-samplers."""

from __future__ import annotations

import time

import dimod
import numpy as np

from bench.solvers.clock import CpuClock
from bench.solvers.peers.peer import Peer, Run, calls

# Its default time limit, in milliseconds of wall-clock time.
_TIMEOUT = 20
_MOST_RESTARTS = 1_000_000


def _prepare(bqm: dimod.BinaryQuadraticModel) -> Run:
    """Calls with more and more time, each from the best state so far; a call ends at the target.

    The search is called beneath `TabuSampler.sample`, which makes a dense matrix anew in every call.
    """
    from dwave.samplers import TabuSampler
    from dwave.samplers.tabu.tabu_search import TabuSearch

    n = len(bqm)
    binary = bqm.change_vartype(dimod.BINARY, inplace=False)
    # The private method keeps the one convention that the search understands.
    matrix, order = TabuSampler._bqm_to_tabu_qubo(binary)
    tenure = min(20, n // 4)
    began = time.process_time()
    TabuSearch(matrix, np.zeros(n, np.intc), tenure, 0, 0, 1)
    # The search copies the matrix; calls are so long that this is the smaller part.
    first = max(_TIMEOUT, int(2000 * (time.process_time() - began)))

    def run(clock: CpuClock, seed: int) -> None:
        state = np.random.default_rng(seed).integers(0, 2, n).astype(np.intc)
        threshold = None if clock.target is None else clock.target - float(binary.offset)
        for timeout, each in calls(clock, seed, first):
            search = TabuSearch(matrix, state, tenure, timeout, _MOST_RESTARTS, each, threshold)
            state = np.array(search.bestSolution(), np.intc)
            energy = float(binary.energy((state, order)))
            values = state if bqm.vartype is dimod.BINARY else 2 * state - 1
            clock.report(energy, dict(zip(order, values.tolist(), strict=True)))

    return run


PEERS = (
    Peer("tabu", "time doubled, from the best state so far", "dwave-samplers", "dwave.samplers:TabuSampler", _prepare),
)

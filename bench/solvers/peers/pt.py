"""Our `pt`, through its public sampler; unlike the others', its preparation of the model counts."""

from __future__ import annotations

from typing import Any

import dimod

from bench.solvers.clock import CpuClock
from bench.solvers.peers.peer import Peer, Run

# The clock counts CPU time and ends the run; a busy machine must not end it earlier.
PATIENCE = 20


def _prepare(bqm: dimod.BinaryQuadraticModel) -> Run:
    from qubo_backends import ParallelTemperingSampler
    from qubo_dnn.support.jit import compiling_here

    sampler = ParallelTemperingSampler()
    # Whatever is compiled for such a model is compiled now.
    with compiling_here():
        sampler.sample(bqm, time_limit=0.05, seed=1)

    def run(clock: CpuClock, seed: int) -> None:
        def progress(state: Any) -> None:
            clock.report(state.best_energy)
            if clock.over:
                raise StopIteration

        answer = sampler.sample(
            bqm, time_limit=PATIENCE * clock.budget, target_energy=clock.target, seed=seed, progress=progress
        )
        clock.see(answer)
        # A model that is eliminated is not swept.
        if (flips := answer.info.get("flips_per_second")) is not None:
            clock.attempted(flips * answer.info["seconds"])

    return run


NAME = "pt"
PEERS = (Peer(NAME, "defaults", "qubo-dnn", "qubo_backends:ParallelTemperingSampler", _prepare),)

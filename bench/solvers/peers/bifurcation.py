"""Simulated bifurcation, from the package of that name; on one thread of PyTorch."""

from __future__ import annotations

import warnings

import dimod
import numpy as np

from bench.solvers.clock import CpuClock
from bench.solvers.peers.peer import Ising, Peer, Run, calls

# Agents up to a size, beyond which a step with several takes so long that too few fit into seconds.
_AGENTS, _SIZE = 16, 1000
# Steps of the first call.
_FIRST = 500
# Part of the steps during which the pressure rises; by default it rises for 1000.
_RAMP, _TIME_STEP = 0.8, 0.1


def _prepare(bqm: dimod.BinaryQuadraticModel) -> Run:
    """Calls with more and more steps and a pressure that rises as much more slowly.

    The discrete mode: the ballistic one was worse on every kind of instance but one, and useless with penalties.

    The package's own model is made beforehand, since its shorthands compute one anew in every call.
    """
    import simulated_bifurcation as sb
    import torch
    from simulated_bifurcation.core.ising import Ising as Dense

    ising = Ising.of(bqm)
    couplings = np.zeros((ising.size, ising.size), np.float32)
    couplings[ising.rows, ising.columns] = -ising.couplings
    couplings += couplings.T
    dense = Dense(couplings, ising.fields.astype(np.float32), dtype=torch.float32)

    agents = _AGENTS if ising.size <= _SIZE else 1

    def call(steps: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        torch.manual_seed(seed)
        sb.set_env(pressure_slope=1.0 / (_RAMP * _TIME_STEP * steps))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that not all agents have converged
                spins = dense.minimize(
                    agents=agents, max_steps=steps, mode="discrete", verbose=False, early_stopping=False
                )
        finally:
            sb.reset_env()
        return np.asarray(spins.numpy())

    call(1, 1)

    def run(clock: CpuClock, seed: int) -> None:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for steps, each in calls(clock, seed, _FIRST):
                ising.report(clock, call(steps, each).T)
        finally:
            torch.set_num_threads(threads)

    return run


PEERS = (
    Peer(
        "simulated bifurcation",
        f"discrete, {_AGENTS} agents (1 above {_SIZE} variables), steps doubled, pressure rising for {_RAMP:.0%}",
        "simulated-bifurcation",
        "simulated_bifurcation:minimize",
        _prepare,
    ),
)

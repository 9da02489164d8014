"""The two annealers of dwave-samplers."""

from __future__ import annotations

from functools import partial

import dimod

from bench.solvers.clock import CpuClock
from bench.solvers.peers.peer import Ising, Peer, Run, calls

# The default of both.
_SWEEPS = 1000
# The fewest that are of use, where not even one read of the default fits.
_FIRST = 8


def _prepare(bqm: dimod.BinaryQuadraticModel, sampler: str, *, tuned: bool) -> Run:
    """Reads one after the other.

    Args:
        bqm: the model.
        sampler: its name in the package.
        tuned: more and more sweeps, at temperatures that fit the local fields; otherwise 1000 sweeps, at the defaults.
    """
    import dwave.samplers

    ising, sample = Ising.of(bqm), getattr(dwave.samplers, sampler)().sample
    given = {"beta_range": ising.beta_range()} if tuned else {}
    # The default is found in Python by looking at every coupling (8 s for 2 million), and the same in every call.
    beta_range = sample(ising.spin, num_sweeps=1, seed=1, **given).info["beta_range"]

    def run(clock: CpuClock, seed: int) -> None:
        for sweeps, each in calls(clock, seed, _FIRST, None if tuned else _SWEEPS):
            answer = sample(ising.spin, num_sweeps=sweeps, beta_range=beta_range, seed=each)
            clock.see(answer.change_vartype(bqm.vartype, inplace=True))
            clock.attempted(sweeps * ising.size)

    return run


def _peer(name: str, settings: str, sampler: str, *, tuned: bool) -> Peer:
    prepare = partial(_prepare, sampler=sampler, tuned=tuned)
    return Peer(name, settings, "dwave-samplers", f"dwave.samplers:{sampler}", prepare)


PEERS = (
    _peer(
        "dwave SA",
        "defaults (1000 sweeps) in a loop; where a read does not fit, its sweeps are reduced",
        "SimulatedAnnealingSampler",
        tuned=False,
    ),
    _peer(
        "dwave SA tuned",
        "beta from 0.3/sigma to 12/sigma (sigma: standard deviation of the local field), sweeps doubled",
        "SimulatedAnnealingSampler",
        tuned=True,
    ),
    _peer(
        "path integral",
        "beta from 0.3/sigma to 12/sigma, sweeps doubled",
        "PathIntegralAnnealingSampler",
        tuned=True,
    ),
)

"""The two annealers of dwave-samplers."""

from __future__ import annotations

from typing import Any

import dimod

from bench.solvers.clock import CpuClock
from bench.solvers.peers.peer import Ising, Peer, Run, calls

# The default of both.
_SWEEPS = 1000
# The fewest that are of use, where not even one read of the default fits.
_FIRST = 8


def _default(bqm: dimod.BinaryQuadraticModel) -> Run:
    """Reads of 1000 sweeps, one after the other, at the default temperatures."""
    from dwave.samplers import SimulatedAnnealingSampler

    ising, sampler = Ising.of(bqm), SimulatedAnnealingSampler()
    # Found in Python by looking at every coupling (8 s for 2 million), and the same in every call.
    beta_range = sampler.sample(ising.spin, num_sweeps=1, seed=1).info["beta_range"]

    def run(clock: CpuClock, seed: int) -> None:
        for sweeps, each in calls(clock, seed, _FIRST, _SWEEPS):
            clock.see(_own(bqm, sampler.sample(ising.spin, num_sweeps=sweeps, beta_range=beta_range, seed=each)))
            clock.attempted(sweeps * ising.size)

    return run


def _tuned(bqm: dimod.BinaryQuadraticModel) -> Run:
    from dwave.samplers import SimulatedAnnealingSampler

    return _doubled(bqm, SimulatedAnnealingSampler())


def _path_integral(bqm: dimod.BinaryQuadraticModel) -> Run:
    from dwave.samplers import PathIntegralAnnealingSampler

    return _doubled(bqm, PathIntegralAnnealingSampler())


def _doubled(bqm: dimod.BinaryQuadraticModel, sampler: Any) -> Run:
    """Reads of more and more sweeps, at temperatures that fit the local fields."""
    ising = Ising.of(bqm)
    beta_range = ising.beta_range()
    sampler.sample(ising.spin, num_sweeps=1, beta_range=beta_range, seed=1)

    def run(clock: CpuClock, seed: int) -> None:
        for sweeps, each in calls(clock, seed, _FIRST):
            clock.see(_own(bqm, sampler.sample(ising.spin, num_sweeps=sweeps, beta_range=beta_range, seed=each)))
            clock.attempted(sweeps * ising.size)

    return run


def _own(bqm: dimod.BinaryQuadraticModel, answer: dimod.SampleSet) -> dimod.SampleSet:
    return answer.change_vartype(bqm.vartype, inplace=True)


_NEEDS = "dwave.samplers:{}"
PEERS = (
    Peer(
        "dwave SA",
        "defaults (1000 sweeps) in a loop; where a read does not fit, its sweeps are reduced",
        "dwave-samplers",
        _NEEDS.format("SimulatedAnnealingSampler"),
        _default,
    ),
    Peer(
        "dwave SA tuned",
        "beta from 0.3/sigma to 12/sigma (sigma: standard deviation of the local field), sweeps doubled",
        "dwave-samplers",
        _NEEDS.format("SimulatedAnnealingSampler"),
        _tuned,
    ),
    Peer(
        "path integral",
        "beta from 0.3/sigma to 12/sigma, sweeps doubled",
        "dwave-samplers",
        _NEEDS.format("PathIntegralAnnealingSampler"),
        _path_integral,
    ),
)

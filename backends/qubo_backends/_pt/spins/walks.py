"""Metropolis walks over the spins that are not auxiliary, at the cold temperatures of the ladder.

Where energies have wide plateaus and traps, as those of clauses that can all be satisfied, they find what tabu searches
miss. Each temperature has a walk of its own, which goes on where it ended, and neighbours exchange states.

Source: Metropolis et al. 1953; that walks at a low temperature satisfy clauses: Seitz, Alava & Orponen 2005, "Focused
local search for random 3-satisfiability".
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.ladder import Ladder
from qubo_backends._pt.random import ONLY, uniform
from qubo_backends._pt.spins.model import Couplings, Floats, flip, sum_state_fields
from qubo_backends._pt.spins.projection import Projection
from qubo_backends._shared.jit import compiled

# Sweeps at a time: about as long as the sweeps of all replicas between two walks take. A tenth of it needs 15 s and
# more for clauses that few states satisfy, in place of .2 s.
_SWEEPS = 1000
# One in so many temperatures, the coldest, has a walk.
_COLD = 4


@compiled
def walk(
    couplings: Couplings,
    spins: Floats,
    fields: Floats,
    beta: float,
    sweeps: int,
    least: float,
    random: NDArray[np.uint64],
    best: NDArray[np.int8],
) -> tuple[float, float]:
    """Visit all spins in order so many times.

    Args:
        couplings: the model.
        spins: [n] of the state to start from, changed in place.
        fields: [n] scratch of the same type, its local fields.
        beta: inverse temperature.
        sweeps: how many.
        least: half of the least change that counts.
        random: [1] state of the generator.
        best: [n] receives the best state passed.

    Returns:
        The energy of `best` and that of the last state, up to rounding.
    """
    energy = sum_state_fields(couplings, spins, fields)
    change, lowest = 0.0, 0.0
    for i in range(spins.size):
        best[i] = np.int8(spins[i])
    for _ in range(sweeps):
        for i in range(spins.size):
            rise = -2.0 * float(spins[i]) * float(fields[i])
            if rise > 0.0 and uniform(random, ONLY) >= math.exp(-beta * rise):
                continue
            change += rise
            flip(couplings, spins, fields, i)
            if change < lowest - least:
                lowest = change
                for j in range(spins.size):
                    best[j] = np.int8(spins[j])
    return energy + lowest, energy + change


class Walks:
    """Walks one after the other, and what the last of them found.

    Args:
        projection: of the model.
        couplings: the same in the precision of the replicas.
        rng: of the exchanges.

    Attributes: see `TabuSearches`, with one slot.
    """

    def __init__(self, projection: Projection, couplings: Couplings, rng: np.random.Generator) -> None:
        self.found, self.energies, self.count = np.zeros((1, projection.model.n), np.int8), np.full(1, np.inf), 0
        self._projection, self._couplings, self._rng = projection, couplings, rng
        self._best = np.zeros(couplings.own.size, np.int8)
        # Temperature -> where its walk is, and at which energy.
        self._states: dict[int, tuple[Floats, float]] = {}

    def forget(self) -> None:
        """Start anew from the replicas."""
        self._states = {}

    def compile(self, ladder: Ladder) -> None:
        """Compile the kernel that this model needs, or load it from disk."""
        self._walk(np.ones_like(self._couplings.own), 1.0, 0, ladder)

    def search(self, _slot: int, ladder: Ladder, state: Callable[[int], NDArray[np.int8]]) -> int:
        """At the next temperature; see `TabuSearches.search`."""
        count = max(len(ladder.betas) // _COLD, 1)
        at = self.count % count
        self.count += 1
        if at in self._states:
            spins, _ = self._states[at]
        else:
            spins = np.empty_like(self._couplings.own)
            spins[:] = state(ladder.at[at])[self._projection.core]
        self.energies[0], energy = self._walk(spins, float(ladder.betas[at]), _SWEEPS, ladder)
        self.found[0] = self._projection.completed(self._best)
        self._states[at] = spins, energy
        if at - 1 in self._states and self._rng.random() < math.exp(min(self._gain(at - 1, ladder), 0.0)):
            self._states[at - 1], self._states[at] = self._states[at], self._states[at - 1]
        return _SWEEPS * self._best.size

    def _walk(self, spins: Floats, beta: float, sweeps: int, ladder: Ladder) -> tuple[float, float]:
        least = self._projection.model.least_gain
        return walk(self._couplings, spins, np.empty_like(spins), beta, sweeps, least, ladder.random, self._best)

    def _gain(self, at: int, ladder: Ladder) -> float:
        """Logarithm of the probability of an exchange with the next hotter temperature."""
        (_, energy), (_, hotter) = self._states[at], self._states[at + 1]
        return float((ladder.betas[at] - ladder.betas[at + 1]) * (energy - hotter))

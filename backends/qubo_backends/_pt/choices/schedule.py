"""When a ladder over choices has which temperatures: an annealing, then a ladder spaced by what is measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.temperatures import space_temperatures

# Sweeps of the first annealing, in which all replicas take part.
_ANNEALING = 64
# Where the ladder spans less than this all are annealed again, from where this share of the energy was still to fall.
_LEAST_SPAN, _REHEATED = 2.0, 0.1
# Sweeps after it, at half of which and at the end of which temperatures are spaced once more.
_SETTLING = 64


class Schedule:
    """Temperatures of a ladder, sweep by sweep.

    Args:
        coldest, hottest: temperatures of the ladder to begin with.
        count: how many.
        annealed_from: hottest temperature of the annealing, None for none.

    Attributes:
        betas: [count] inverse temperatures of the ladder, coldest first.
    """

    def __init__(self, coldest: float, hottest: float, count: int, annealed_from: float | None) -> None:
        self.betas = 1.0 / np.geomspace(coldest, hottest, count)
        self._path = np.empty(0)
        if annealed_from is not None:
            # Sweeps in the heat, where most moves are made, cost most and decide least.
            share = 1.0 - (1.0 - np.linspace(0.0, 1.0, _ANNEALING)) ** 2
            self._path = (1.0 / annealed_from) * (annealed_from / coldest) ** share
        self._annealed_at, self._reheated = 0, 1.0
        self._means: list[NDArray[np.float64]] = []

    def annealing(self, sweep: int) -> float | None:
        """Return the inverse temperature of all replicas in a sweep, None where they have those of the ladder."""
        annealed = sweep - self._annealed_at
        return float(self._path[annealed]) if annealed < len(self._path) else None

    def annealed(self, sweeps: int) -> bool:
        """Return whether an annealing has just ended, after so many sweeps."""
        return len(self._path) > 0 and self._after(sweeps) == 0

    def settled(self, sweeps: int) -> bool:
        """Return whether the temperatures have just been spaced for the last time, after so many sweeps."""
        return self._after(sweeps) == _SETTLING

    def space(self, sweeps: int, energies: NDArray[np.float64]) -> None:
        """Space the temperatures by the energies of the annealing, and twice by those that follow.

        Where even so the replicas are too few to reach from the cold to where states change, exchanges bring nothing
        new. Then all are annealed again from where the energy begins to fall in earnest, each time twice as long.

        Args:
            sweeps: done so far.
            energies: [block, count] at each temperature in the last ones, always as many, a part of the annealing.
        """
        after = self._after(sweeps)
        if after > _SETTLING:
            return
        self._means.append(energies.mean(axis=1 if after <= 0 else 0))
        if self.annealed(sweeps):
            means = np.concatenate(self._means)
            self.betas = space_temperatures(self._path[::-1], means[::-1], len(self.betas))
            decided = means > means[-1] + _REHEATED * (means[0] - means[-1])
            self._reheated = self._path[np.flatnonzero(decided)[-1]] if decided.any() else self._path[0]
        elif after in (_SETTLING // 2, _SETTLING):
            means = np.mean(self._means[-_SETTLING // 2 // len(energies) :], axis=0)
            self.betas = space_temperatures(self.betas, means, len(self.betas))
        anneals = len(self._path) > 0 and len(self.betas) > 1
        if self.settled(sweeps) and anneals and self.betas[0] < _LEAST_SPAN * self.betas[-1]:
            self._annealed_at = sweeps
            self._path = np.geomspace(self._reheated, self._path[-1], 2 * len(self._path))
            self._means = []

    def _after(self, sweeps: int) -> int:
        """Sweeps since the end of the annealing, negative before it."""
        return sweeps - self._annealed_at - len(self._path)

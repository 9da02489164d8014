"""The best different states that a search has seen."""

from __future__ import annotations

import math
from bisect import insort

import numpy as np
from numpy.typing import NDArray


class Elite:
    """The best different states seen, at most `keep`, best first.

    Args:
        keep: how many, >= 1.

    Attributes:
        states: [n] each, as offered.
        energies: of `states`, ascending.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._ranked: list[tuple[float, bytes, NDArray[np.int8]]] = []

    @property
    def best_energy(self) -> float:
        """Of the best state; infinite while there is none."""
        return self._ranked[0][0] if self._ranked else math.inf

    @property
    def worst_energy(self) -> float:
        """What a state has to be below to be kept; infinite while there is room."""
        return self._ranked[-1][0] if len(self._ranked) == self._keep else math.inf

    @property
    def states(self) -> list[NDArray[np.int8]]:
        return [state for _, _, state in self._ranked]

    @property
    def energies(self) -> list[float]:
        return [energy for energy, _, _ in self._ranked]

    def offer(self, states: NDArray[np.int8], energies: NDArray[np.float64]) -> None:
        """Take in what is better than what is kept.

        Args:
            states: [k, n]; copied where kept.
            energies: [k], exact.
        """
        for state, energy in zip(states, energies.tolist(), strict=True):
            key = state.tobytes()
            if energy < self.worst_energy and all(key != known for _, known, _ in self._ranked):
                insort(self._ranked, (energy, key, state.copy()), key=lambda entry: entry[:2])
                del self._ranked[self._keep :]

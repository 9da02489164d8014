"""The best different states seen so far."""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray


class Elite:
    """The best different states, at most `keep` of them, best first; of equal ones those that came first.

    Args:
        keep: how many, >= 1.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._energies: list[float] = []
        self._states: list[NDArray[np.int8]] = []
        # The members' bytes, so that no state is compared with all of them.
        self._known: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._energies)

    @property
    def best_energy(self) -> float:
        """Of the best state, infinite while there is none."""
        return self._energies[0] if self._energies else math.inf

    @property
    def bar(self) -> float:
        """Only states of less energy than this are taken."""
        return self._energies[-1] if len(self) == self._keep else math.inf

    @property
    def energies(self) -> list[float]:
        """Best first."""
        return list(self._energies)

    @property
    def states(self) -> list[NDArray[np.int8]]:
        """[n] each, best first."""
        return list(self._states)

    def __contains__(self, state: NDArray[np.int8]) -> bool:
        return state.tobytes() in self._known

    def offer(self, state: NDArray[np.int8], energy: float) -> None:
        """Take in a state [n] if it is good enough; the order of offers matters for equal energies only."""
        if not energy < self.bar or (key := state.tobytes()) in self._known:
            return
        if len(self) == self._keep:
            self._energies.pop()
            self._known.remove(self._states.pop().tobytes())
        place = bisect_right(self._energies, energy)
        self._energies.insert(place, energy)
        self._states.insert(place, state.copy())
        self._known.add(key)

    def merge(self, other: Elite) -> None:
        """Take in another elite's members."""
        for state, energy in zip(other.states, other.energies, strict=True):
            self.offer(state, energy)

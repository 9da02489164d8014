"""Searches beside the sweeps, each kind as often as it brings something."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.pace import Pace


class Kind(Protocol):
    """A kind of search, for the models that it is made for.

    Attributes:
        wait: sweeps between two searches, at least.
        before: searches before there are temperatures.
        least: half of the least change of the energy that counts.
        count: searches so far.
        moves: that they looked at, about.
    """

    wait: int
    before: int
    least: float
    count: int
    moves: int

    @property
    def useful(self) -> bool:
        """Return whether there is something to search."""
        ...

    def compile(self) -> None:
        """Compile (or load from disk) the kernels that the model needs."""
        ...

    def search(self, known: NDArray[np.int32], cold: NDArray[np.int32] | None) -> tuple[NDArray[np.int32], float]:
        """Search once.

        Args:
            known: [sites] the best state known.
            cold: [sites] of a cold replica, None before there is one.

        Returns:
            [sites] the best state met, and its energy up to rounding, infinite where it is beyond the constraints.
        """
        ...


class Searches:
    """Searches of one kind, and when they are due.

    Args:
        kind: of the searches.
        block: the waits are multiples of so many sweeps, or parts of it.

    Attributes:
        kind: the same.
    """

    def __init__(self, kind: Kind, block: int) -> None:
        self.kind = kind
        wait = kind.wait if kind.wait < block else -(-kind.wait // block) * block
        self._pace = Pace(wait, wait, 0 if not kind.before else wait)

    def note(self, energy: float) -> None:
        """Note the energy of a state that sweeps or a quench reached."""
        self._pace.descended(energy)

    def sweeps_left(self, sweeps: int) -> float:
        """Return the number of sweeps until the next search; infinite if there is none."""
        return self._pace.next_search - sweeps if self.kind.useful else np.inf

    def search(
        self, sweeps: int, known: NDArray[np.int32], cold: NDArray[np.int32] | None
    ) -> tuple[NDArray[np.int32], float]:
        """Search once after so many sweeps; see `Kind.search`."""
        found, energy = self.kind.search(known, cold)
        self._pace.searched(sweeps, energy, self.kind.least)
        return found, energy

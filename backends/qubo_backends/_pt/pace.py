"""When searches follow sweeps."""

from __future__ import annotations

import math


class Pace:
    """When to search: the more often, the more it brings.

    On some models, as those with penalties, searches find what sweeps and descents do not, and on others nothing. They
    become more frequent where one finds the best state of all, and less where descents since the last one found a
    better state than it, or than all known ones. Where nothing is new, searches that end lower than descents come
    sooner than usual.

    Args:
        least_wait: sweeps between two searches, at least.
        usual_wait: sweeps between two searches while both do equally well, a multiple of the least.
        first: sweeps before the first one.

    Attributes:
        next_search: sweeps after which to search.
    """

    def __init__(self, least_wait: int, usual_wait: int, first: int) -> None:
        self.next_search = first
        self._least_wait, self._usual_wait = least_wait, usual_wait
        self._wait = usual_wait
        self.forget()

    def forget(self) -> None:
        """Compare with nothing that was found so far."""
        # Best energies that descents found since the last search, and that anything found before.
        self._descended = self._lowest = math.inf

    def descended(self, energy: float) -> None:
        """Note the energy of a state that a descent reached."""
        self._descended = min(self._descended, energy)

    def searched(self, sweeps: int, found: float, least: float) -> None:
        """Note what a search found, and set the next one.

        Args:
            sweeps: done so far.
            found: least energy of the search.
            least: half of the least change that counts.
        """
        new = found < min(self._descended, self._lowest) - least
        lower = found < self._descended - least and self._wait <= self._usual_wait
        if not new and self._descended < max(found, self._lowest) - least:
            self._wait *= 2
        elif new or lower:
            self._wait = max(self._wait // (2 * self._least_wait), 1) * self._least_wait
        elif self._wait < self._usual_wait:
            self._wait = min(2 * self._wait, self._usual_wait)
        self._lowest, self._descended = min(found, self._descended, self._lowest), math.inf
        self.next_search = sweeps - sweeps % self._least_wait + self._wait

"""The best different choices seen so far."""

from __future__ import annotations

import numpy as np

from qubo_backends._choices.space import Choices, Reals


class BestStates:
    """The best different choices, those that keep all constraints first; of equal ones those that came first.

    Args:
        keep: how many, >= 1.
        sites: of every choice.

    Attributes:
        choices: [k, sites], best first.
        excess: [k] see `ChoiceSpace.excess`.
        energies: [k].
    """

    def __init__(self, keep: int, sites: int) -> None:
        self._keep = keep
        self._known: set[bytes] = set()
        self.choices: Choices = np.empty((0, sites), np.int32)
        self.excess: Reals = np.empty(0)
        self.energies: Reals = np.empty(0)

    @property
    def rank(self) -> tuple[float, float]:
        """Excess and energy of the best, infinite while there is none."""
        return (float(self.excess[0]), float(self.energies[0])) if len(self.energies) else (np.inf, np.inf)

    @property
    def feasible(self) -> int:
        """How many keep all constraints."""
        return int((self.excess == 0.0).sum())

    def offer(self, choices: Choices, excess: Reals, energies: Reals) -> None:
        """Take in those of [k, sites] choices that are good enough and not there already."""
        places = np.arange(len(choices))
        if len(self.energies) == self._keep:
            worst = self.excess[-1], self.energies[-1]
            places = np.flatnonzero((excess < worst[0]) | ((excess == worst[0]) & (energies < worst[1])))
        new: list[int] = []
        for place in places.tolist():
            if (key := choices[place].tobytes()) not in self._known:
                self._known.add(key)
                new.append(place)
        if not new:
            return
        choices = np.concatenate([self.choices, choices[new]])
        excess, energies = np.append(self.excess, excess[new]), np.append(self.energies, energies[new])
        order = np.lexsort((energies, excess))
        self._known.difference_update(choices[place].tobytes() for place in order[self._keep :])
        order = order[: self._keep]
        self.choices, self.excess, self.energies = choices[order], excess[order], energies[order]

"""Searches of parts of a state, by turns from cold replicas and from recombined states that searches found.

Source of the recombination: Lu, Glover & Hao 2010, see `qubo_backends._pt.spins.tabu_searches`; Merz & Freisleben 2000,
"Fitness landscape analysis and memetic algorithms for the quadratic assignment problem".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel, least_change
from qubo_backends._pt.choices.replicas import replicas_of

# States that searches recombine.
_PARENTS = 16
# Sweeps between two searches; a search of an assignment takes several times as long.
_WAIT = 4


class Parents:
    """The best different states that searches found, for recombination."""

    def __init__(self) -> None:
        # Best first.
        self._known: list[tuple[float, NDArray[np.int32]]] = []

    def __len__(self) -> int:
        return len(self._known)

    @property
    def best(self) -> NDArray[np.int32]:
        """[sites] of the best one."""
        return self._known[0][1]

    def offer(self, state: NDArray[np.int32], energy: float) -> None:
        """Take in a state [sites] if it is new and good enough."""
        if not any(np.array_equal(state, known) for _, known in self._known):
            self._known = sorted([*self._known, (energy, state)], key=lambda each: each[0])[:_PARENTS]

    def pair(self, rng: np.random.Generator) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return two different ones, drawn at random; there are at least two."""
        one, other = rng.choice(len(self), 2, replace=False)
        return self._known[one][1], self._known[other][1]


class RecombiningSearches(ABC):
    """Searches one after the other, by turns in all parts of a model; sites of no part stay as they are.

    The sites of a part may exchange their options in any way; how it is searched is for subclasses to say.

    Args:
        model: to be searched.
        parts: [n] sites of each.
        rng: of every random choice.

    Attributes: see `qubo_backends._pt.choices.searches.pacing.Kind`.
    """

    wait, before = _WAIT, 0

    def __init__(self, model: ChoiceModel, parts: list[NDArray[np.int64]], rng: np.random.Generator) -> None:
        self.count = self.moves = 0
        self.least = least_change(model)
        self._model, self._parts, self._rng, self._parents = model, parts, rng, Parents()

    @property
    def useful(self) -> bool:
        """Return whether there is a part to search."""
        return bool(self._parts)

    def search(self, known: NDArray[np.int32], cold: NDArray[np.int32] | None) -> tuple[NDArray[np.int32], float]:
        """Search once, by turns from a cold state and from what searches found; see `Kind.search`."""
        part = self.count // 2 % len(self._parts)
        start = known if cold is None else cold
        if self.count % 2 and len(self._parents) > 1:
            start = self._recombined(part)
        self.count += 1
        found, energy = self._search(part, start)
        self._parents.offer(found, energy)
        return found, energy

    @abstractmethod
    def _search(
        self, part: int, start: NDArray[np.int32], patience: int | None = None
    ) -> tuple[NDArray[np.int32], float]:
        """Search one part from a state.

        Args:
            part: its number.
            start: [sites].
            patience: steps that bring nothing better after which the search ends, None for as many as pay.

        Returns:
            See `search`.
        """

    def _recombined(self, part: int) -> NDArray[np.int32]:
        """One parent, in which the sites of a part that differ in the other exchange their options at random."""
        sites = self._parts[part]
        one, other = self._parents.pair(self._rng)
        apart = sites[one[sites] != other[sites]]
        mixed: NDArray[np.int32] = one.copy()
        mixed[apart] = mixed[self._rng.permutation(apart)]
        return mixed

    def _compile(self, part: int) -> None:
        """Compile (or load from disk) the kernels that a part needs."""
        state, sites = np.zeros(len(self._model.sizes), np.int32), self._parts[part]
        state[sites] = np.arange(len(sites)) % self._model.sizes[sites]
        self._search(part, state, patience=0)

    def _tabu_searched(
        self,
        kernel: Callable[..., tuple[float, int]],
        part: int,
        start: NDArray[np.int32],
        patience: int,
        scratch: Any,
        step_moves: int,
    ) -> tuple[NDArray[np.int32], float]:
        """Search one part by a kernel.

        Args:
            kernel: such as `search_subsets`.
            part: its number.
            start: [sites].
            patience: see there.
            scratch: of the kernel.
            step_moves: moves that a step looks at.

        Returns:
            See `search`.
        """
        found, sites = start.copy(), self._parts[part]
        replicas = replicas_of(self._model, found[None], self._rng)
        energy, steps = kernel(self._model, replicas, sites, scratch, patience, self.least, found, np.zeros(0))
        self.moves += steps * step_moves
        return found, energy

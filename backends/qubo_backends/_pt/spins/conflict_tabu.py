"""Tabu searches among the independent sets of a model of conflicts.

A move lets a node in that has no neighbour in the set, or in place of its only one, or lets a node out; the best of all
is made, and the first of equal ones by chance. A node that left stays out for a while, one that entered may leave at
once. A search begins at a cold replica or at the empty set.

Source: Wu, Hao & Glover 2012, "Multi-neighborhood tabu search for the maximum weight clique problem".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.ladder import Ladder
from qubo_backends._pt.random import ONLY, below
from qubo_backends._pt.spins.conflicts import Conflicts
from qubo_backends._pt.spins.model import SpinModel
from qubo_backends._shared.jit import compiled, inner
from qubo_backends._shared.struct import Struct

# A search ends after so many moves per node, and so many besides, that brought nothing better.
_PATIENCE, _PATIENCE_BESIDES = 5, 4000
# Moves for which a node that left stays out; one that another took the place of, by chance up to as many more as there
# are such exchanges.
_TENURE = 7


@dataclass(frozen=True, eq=False)
class SetState(Struct):
    """A set and what is known of the nodes outside; changed in place.

    Attributes:
        inside: [n] 1 for nodes in the set.
        counts: [n] neighbours in the set; 2 more for nodes that are never taken.
        sums: [n] of the numbers of these neighbours, which for a single one is its number.
        members: [n] the nodes in the set, in the first places.
        near: [n] the nodes outside with at most one neighbour in the set, in the first places.
        places: [n] of every node in `members` or in `near`.
        sizes: [2] of `members` and of `near`.
        rests: [n] the move from which on a node may enter again.
    """

    inside: NDArray[np.int8]
    counts: NDArray[np.int32]
    sums: NDArray[np.int64]
    members: NDArray[np.int32]
    near: NDArray[np.int32]
    places: NDArray[np.int32]
    sizes: NDArray[np.int64]
    rests: NDArray[np.int64]


@inner
def _put(state: SetState, listed: Any, which: int, i: int) -> None:
    """Append a node to one of the lists."""
    listed[state.sizes[which]] = i
    state.places[i] = state.sizes[which]
    state.sizes[which] += 1


@inner
def _take(state: SetState, listed: Any, which: int, i: int) -> None:
    """Take a node out of one of the lists; the last one takes its place."""
    state.sizes[which] -= 1
    place, last = state.places[i], listed[state.sizes[which]]
    listed[place] = last
    state.places[last] = place


@inner
def _enter(conflicts: Conflicts, state: SetState, i: int) -> None:
    """Let a node without neighbours in the set into it."""
    _take(state, state.near, 1, i)
    _put(state, state.members, 0, i)
    state.inside[i] = 1
    for k in range(conflicts.starts[i], conflicts.starts[i + 1]):
        j = conflicts.neighbours[k]
        state.counts[j] += 1
        state.sums[j] += i
        if state.counts[j] == 2:
            _take(state, state.near, 1, j)


@inner
def _leave(conflicts: Conflicts, state: SetState, i: int) -> None:
    """Let a node out of the set."""
    _take(state, state.members, 0, i)
    _put(state, state.near, 1, i)
    state.inside[i] = 0
    for k in range(conflicts.starts[i], conflicts.starts[i + 1]):
        j = conflicts.neighbours[k]
        state.counts[j] -= 1
        state.sums[j] -= i
        if state.counts[j] == 1:
            _put(state, state.near, 1, j)


@inner
def _begin(conflicts: Conflicts, state: SetState, best: NDArray[np.int8]) -> float:
    """Let the nodes of `best` in, one after the other, as far as they are in no conflict; returns their weight."""
    state.sizes[:] = 0
    for i in range(best.size):
        state.inside[i], state.sums[i], state.rests[i] = 0, 0, 0
        state.counts[i] = 0 if conflicts.weights[i] > 0.0 else 2
        if state.counts[i] == 0:
            _put(state, state.near, 1, i)
    weight = 0.0
    for i in range(best.size):
        if best[i] == 1 and state.counts[i] == 0:
            _enter(conflicts, state, i)
            weight += conflicts.weights[i]
    return weight


@compiled
def search_sets(
    conflicts: Conflicts, state: SetState, best: NDArray[np.int8], patience: int, least: float, random: NDArray[Any]
) -> tuple[float, int]:
    """Search until as many moves as `patience` brought nothing better.

    Args:
        conflicts: the graph.
        state: scratch.
        best: [n] of 0 and 1 to start from; conflicts are dropped. Receives the best set passed.
        patience: moves.
        least: half of the least change that counts.
        random: [1] state of the generator.

    Returns:
        The weight of `best`, up to rounding, and the number of moves that were looked at.
    """
    weights = conflicts.weights
    weight = _begin(conflicts, state, best)
    heaviest, unsaved = weight, True
    move, found, looked = 0, 0, 0
    while move - found < patience:
        move += 1
        entering, leaving, exchanges = -1, -1, 0
        gain, ties = -np.inf, 0
        for place in range(state.sizes[1]):
            i = state.near[place]
            change = weights[i]
            if state.counts[i] == 1:
                change -= weights[state.sums[i]]
                exchanges += 1
            if change < gain or (state.rests[i] > move and weight + change <= heaviest + least):
                continue
            ties = ties + 1 if change == gain else 1
            if ties == 1 or below(random, ONLY, ties) == 0:
                gain, entering = change, i
        looked += state.sizes[1]
        if gain < 0.0:
            for place in range(state.sizes[0]):
                i = state.members[place]
                if -weights[i] < gain:
                    continue
                ties = ties + 1 if -weights[i] == gain else 1
                if ties == 1 or below(random, ONLY, ties) == 0:
                    gain, entering, leaving = -weights[i], -1, i
            looked += state.sizes[0]
        if entering < 0 and leaving < 0:
            continue
        if unsaved and gain < 0.0:
            best[:] = state.inside
            unsaved = False
        weight += gain
        if entering >= 0 and state.counts[entering] == 1:
            leaving = state.sums[entering]
        if leaving >= 0:
            _leave(conflicts, state, leaving)
            state.rests[leaving] = move + _TENURE + (below(random, ONLY, exchanges + 1) if entering >= 0 else 0)
        if entering >= 0:
            _enter(conflicts, state, entering)
        if weight > heaviest + least:
            heaviest, found, unsaved = weight, move, True
    if unsaved:
        best[:] = state.inside
    return heaviest, looked


class ConflictTabu:
    """Searches one after the other, and what the last of them found.

    Args:
        model: to be searched.
        conflicts: of the model.
        slots: how many results are kept.

    Attributes: see `qubo_backends._pt.spins.tabu_searches.TabuSearches`.
    """

    def __init__(self, model: SpinModel, conflicts: Conflicts, slots: int) -> None:
        self.found, self.energies, self.count = np.zeros((slots, model.n), np.int8), np.full(slots, np.inf), 0
        self._least, self._conflicts = model.least_gain, conflicts
        self._empty = model.energy(conflicts.states(np.zeros(model.n, np.int8)))
        self._state = SetState(
            inside=np.zeros(model.n, np.int8),
            counts=np.zeros(model.n, np.int32),
            sums=np.zeros(model.n, np.int64),
            members=np.zeros(model.n, np.int32),
            near=np.zeros(model.n, np.int32),
            places=np.zeros(model.n, np.int32),
            sizes=np.zeros(2, np.int64),
            rests=np.zeros(model.n, np.int64),
        )

    def forget(self) -> None:
        """Nothing is carried from one search to the next."""

    def compile(self, ladder: Ladder) -> None:
        """Compile the kernel that this model needs, or load it from disk."""
        best = np.zeros(len(self._conflicts.weights), np.int8)
        search_sets(self._conflicts, self._state, best, 0, self._least, ladder.random)

    def search(self, slot: int, ladder: Ladder, state: Callable[[int], NDArray[np.int8]]) -> int:
        """By turns from a cold replica and from the empty set; see `TabuSearches.search`."""
        n = len(self._conflicts.weights)
        self.count += 1
        best = np.zeros(n, np.int8)
        if self.count % 2:
            best[:] = state(ladder.at[self.count // 2 % max(len(ladder.betas) // 4, 1)]) == self._conflicts.chosen
        patience = _PATIENCE * n + _PATIENCE_BESIDES
        weight, looked = search_sets(self._conflicts, self._state, best, patience, self._least, ladder.random)
        self.found[slot], self.energies[slot] = self._conflicts.states(best), self._empty - weight
        return int(looked)

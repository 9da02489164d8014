"""QAOA inside the states that keep one-hot groups: no penalty, no state outside is ever reached.

Every group is a site whose values are its members, and starts in the W state, their uniform superposition. The mixer
moves the one among them by exp(-i beta (XX + YY) / 2) of all neighbours on a ring, first those at even places, then
those at odd ones: gates that a circuit can have, simulated as they are. A variable outside all groups is a site of two
values, mixed by X.

Source: Hadfield et al. 2019, arXiv 1709.03489; Wang, Rubin, Dominy & Rieffel 2020, arXiv 1904.09314.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from qubo_backends._qaoa.ansatz import grown, phases
from qubo_backends._qaoa.gates import Gate
from qubo_backends._qaoa.states import MOST_STATES, Bits, Floats, State
from qubo_dnn.sites import OFF, Sites


class Subspace:
    """The states of a BINARY model that keep its groups, numbered with the last site running fastest.

    Args:
        linear: [n] biases.
        matrix: [n, n] interactions, symmetric with an empty diagonal.
        groups: disjoint, not empty sets of variables of which exactly one is 1.
    """

    def __init__(self, linear: Floats, matrix: Floats, groups: Sequence[Sequence[int]]) -> None:
        self._linear, self._matrix = linear, matrix
        self._groups = [sorted(group) for group in groups]
        self.sites = Sites.of_groups(len(linear), self._groups)
        self.sizes = self.sites.sizes
        self.mixer = "xy-ring"

    @property
    def qubits(self) -> int:
        return len(self._linear)

    @property
    def states(self) -> int:
        return self.sites.states

    @property
    def simulable(self) -> bool:
        return self.states <= MOST_STATES

    @cached_property
    def energies(self) -> Floats:
        """[states] energy without the offset."""
        return self.sites.energies(self._linear, self._matrix)

    @cached_property
    def unit(self) -> float:
        """Of energy, as `typical_energy`: uniform states of n spins with couplings have a variance of n r^2 / 2."""
        return float(np.sqrt(2.0 * self._variance() / len(self.sizes))) / 2.0 or 1.0

    def _variance(self) -> float:
        """Of the energy over all states: that of every site's mean effect, and what is left of every pair."""
        effects = [self.sites.own_energies(self._linear, s) for s in range(len(self.sizes))]
        total = 0.0
        for s in range(len(self.sizes)):
            for t in range(s):
                pairs = self.sites.pair_energies(self._matrix, t, s)
                over_t, over_s = pairs.mean(axis=0), pairs.mean(axis=1)
                effects[s] = effects[s] + over_t
                effects[t] = effects[t] + over_s
                total += float((pairs - over_t - over_s[:, None] + pairs.mean()).var())
        return total + sum(float(effect.var()) for effect in effects)

    def evolved(self, gammas: Floats, betas: Floats) -> State:
        """[states] amplitudes after all layers, from the uniform superposition.

        Args:
            gammas: [p] per `unit` of energy.
            betas: [p] radians.
        """
        state = np.full(self.states, 1.0 / np.sqrt(self.states), np.complex128)
        for gamma, beta in zip(gammas.tolist(), betas.tolist(), strict=True):
            state *= np.exp(-1j * gamma / self.unit * self.energies)
            mixers = {size: _mixer(size, beta) for size in set(self.sizes)}
            for size in self.sizes:
                # The first site is mixed and put last: after all of them the order is as it was.
                state = np.ascontiguousarray((mixers[size] @ state.reshape(size, -1)).T).ravel()
        return state

    def bits(self, numbers: NDArray[np.int64]) -> Bits:
        """[rows, n] the states of these numbers."""
        return self.sites.bits(self.sites.numbered(numbers))

    def uniform(self, rng: np.random.Generator, rows: int) -> Bits:
        values = [rng.integers(0, size, rows) for size in self.sizes]
        return self.sites.bits(np.reshape(values, (len(self.sizes), rows)).T)

    def keeps(self, bits: Bits) -> NDArray[np.bool_]:
        kept = np.ones(len(bits), np.bool_)
        for group in self._groups:
            kept &= bits[:, group].sum(axis=1) == 1
        return kept

    def start(self) -> list[Gate]:
        made = []
        for members in self._members():
            if members[0] == OFF:
                made.append(Gate("h", (members[1],)))
                continue
            made.append(Gate("x", (members[0],)))
            # What the first of those left still holds is shared out evenly: it keeps 1 / k and gives the rest on.
            for place, (keeper, taker) in enumerate(pairwise(members)):
                made.append(Gate("give", (keeper, taker), 2.0 * math.acos(math.sqrt(1.0 / (len(members) - place)))))
        return made

    def layer(self, gamma: float, beta: float) -> list[Gate]:
        made = phases(*self._ising, 2.0 * gamma / self.unit)
        for members in self._members():
            if members[0] == OFF:
                made.append(Gate("rx", (members[1],), 2.0 * beta))
            else:
                made += [Gate("xy", (members[a], members[b]), 2.0 * beta) for a, b in _ring(len(members))]
        return made

    def _members(self) -> list[list[int]]:
        return [site.tolist() for site in self.sites.each()]

    @cached_property
    def _ising(self) -> tuple[Floats, Floats]:
        """Fields and couplings in Z, without pairs inside a group: one of the two is always 0."""
        across = self._matrix.copy()
        for group in self._groups:
            across[np.ix_(group, group)] = 0.0
        return -(self._linear / 2.0 + across.sum(axis=1) / 4.0), across / 4.0

    def part(self, most: int) -> Subspace:
        strengths = np.zeros((len(self.sizes),) * 2)
        for s in range(len(self.sizes)):
            for t in range(s):
                pairs = self.sites.pair_energies(self._matrix, t, s)
                strengths[s, t] = strengths[t, s] = float(np.abs(pairs).mean())
        count = max(1, sum(np.cumsum(sorted(self.sizes, reverse=True)) <= most))
        members = self._members()
        chosen = [[v for v in members[s] if v != OFF] for s in grown(strengths, count)]
        kept = sorted(v for site in chosen for v in site)
        place = {variable: index for index, variable in enumerate(kept)}
        grouped = [[place[v] for v in group] for group in self._groups if group[0] in place]
        return Subspace(self._linear[kept], self._matrix[np.ix_(kept, kept)], grouped)


def _ring(size: int) -> list[tuple[int, int]]:
    """Neighbours on a ring, those at even places first."""
    if size < 3:
        return [(0, 1)] if size == 2 else []
    pairs = [(place, (place + 1) % size) for place in range(size)]
    return pairs[::2] + pairs[1::2]


def _mixer(size: int, beta: float) -> State:
    """[size, size] what a ring's gates do to the place of the one."""
    found = np.eye(size, dtype=np.complex128)
    c, s = math.cos(beta), -1j * math.sin(beta)
    # A site of a free variable has the two values of X, which this is too.
    for a, b in _ring(size):
        found[[a, b]] = np.array([[c, s], [s, c]]) @ found[[a, b]]
    return found

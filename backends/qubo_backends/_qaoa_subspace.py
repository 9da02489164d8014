"""QAOA inside the states that keep one-hot groups: no penalty, no state outside is ever reached.

Every group is a site whose values are its members; a ring of XY couplings moves the one among them, which in this
subspace is the adjacency matrix of a cycle, and the W state is the uniform superposition of the values. A variable
outside all groups is a site of two values, mixed by X.

Source: Hadfield et al. 2019, arXiv 1709.03489; Wang, Rubin, Dominy & Rieffel 2020, arXiv 1904.09314.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
State = NDArray[np.complex128]


class Subspace:
    """The states of a BINARY model that keep its groups, numbered with the last site running fastest.

    Args:
        linear: [n] biases.
        matrix: [n, n] interactions, symmetric with an empty diagonal.
        groups: disjoint, not empty sets of variables of which exactly one is 1.
    """

    def __init__(self, linear: Floats, matrix: Floats, groups: Sequence[Sequence[int]]) -> None:
        self._linear, self._matrix = linear, matrix
        grouped = {variable for group in groups for variable in group}
        # None is the value of a free variable that is 0.
        self.sites: list[list[int | None]] = [[*sorted(group)] for group in groups]
        self.sites += [[None, variable] for variable in range(len(linear)) if variable not in grouped]
        self.sizes = [len(site) for site in self.sites]

    @cached_property
    def energies(self) -> Floats:
        """[states] energy without the offset."""
        found = np.zeros(_product(self.sizes))
        for s, site in enumerate(self.sites):
            own = np.array([0.0 if v is None else self._linear[v] for v in site])
            view = found.reshape(_product(self.sizes[:s]), len(site), -1)
            view += own[:, None]
            for t in range(s):
                pairs = np.array([[0.0 if None in (u, v) else self._matrix[u, v] for v in site] for u in self.sites[t]])
                if pairs.any():
                    before, between = (
                        int(np.prod(part, dtype=np.int64)) for part in (self.sizes[:t], self.sizes[t + 1 : s])
                    )
                    blocks = found.reshape(before, self.sizes[t], between, len(site), -1)
                    blocks += pairs[:, None, :, None]
        return found

    @cached_property
    def _mixers(self) -> dict[int, tuple[Floats, Floats]]:
        """Size of a site -> eigenvalues and eigenvectors of its mixer."""
        return {size: _diagonal(size) for size in set(self.sizes)}

    def evolved(self, gammas: Floats, betas: Floats, unit: float) -> State:
        """[states] amplitudes after all layers, from the uniform superposition.

        Args:
            gammas: [p] per `unit` of energy.
            betas: [p] radians.
            unit: of energy.
        """
        states = len(self.energies)
        state = np.full(states, 1.0 / np.sqrt(states), np.complex128)
        for gamma, beta in zip(gammas.tolist(), betas.tolist(), strict=True):
            state *= np.exp(-1j * gamma / unit * self.energies)
            for size in self.sizes:
                values, vectors = self._mixers[size]
                mixer = (vectors * np.exp(-1j * beta * values)) @ vectors.T
                # The first site is mixed and put last: after all of them the order is as it was.
                state = np.ascontiguousarray((mixer @ state.reshape(size, -1)).T).ravel()
        return state

    def bits(self, numbers: NDArray[np.int64]) -> NDArray[np.int8]:
        """[rows, n] the states of these numbers."""
        found = np.zeros((len(numbers), len(self._linear)), np.int8)
        rest = numbers.copy()
        for site in reversed(self.sites):
            rest, values = np.divmod(rest, len(site))
            for value, variable in enumerate(site):
                if variable is not None:
                    found[values == value, variable] = 1
        return found


def _product(sizes: Sequence[int]) -> int:
    return int(np.prod(sizes, dtype=np.int64))


def _diagonal(size: int) -> tuple[Floats, Floats]:
    """Eigenvalues and eigenvectors of a cycle's adjacency matrix; of X for two values, of nothing for one."""
    ring = np.zeros((size, size))
    if size > 1:
        places = np.arange(size)
        ring[places, (places + 1) % size] = ring[(places + 1) % size, places] = 1.0
    values, vectors = np.linalg.eigh(ring)
    return values, vectors

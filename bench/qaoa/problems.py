"""Ising models of two kinds, and what a distribution over their states is worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from qubo_backends._qaoa.simulator import energies_of_states

Floats = NDArray[np.float64]
KINDS = ("3-regular", "dense")
# From this many spins on a search takes long, and three seeds have to do.
_LARGE, _LARGE_SEEDS = 20, 3


@dataclass(frozen=True)
class IsingInstance:
    """A model without fields.

    Attributes:
        couplings: [n, n], symmetric with an empty diagonal.
        energies: [2^n].
        constant: that makes minus the energy a cut; 0 where the model is none.
    """

    couplings: Floats
    energies: Floats
    constant: float

    def ratio(self, chances: Floats) -> float:
        """Expected cut over the largest; for a model that is no cut, expected energy over the least."""
        best = self.constant - self.energies.min()
        return float((self.constant - chances @ self.energies) / best)

    def hit(self, chances: Floats) -> float:
        """Chance of an optimum."""
        return float(chances[self.energies < self.energies.min() + 1e-9].sum())


def judged(drawn: Sequence[IsingInstance], chances: Iterable[Floats]) -> dict[str, list[float]]:
    """Ratio and hit of a distribution over the states of every instance."""
    pairs = list(zip(drawn, chances, strict=True))
    return {"ratio": [given.ratio(each) for given, each in pairs], "hit": [given.hit(each) for given, each in pairs]}


def instance(kind: str, n: int, seed: int) -> IsingInstance:
    """A random model.

    Args:
        kind: of `KINDS`: "3-regular", a maximum cut, or "dense", couplings of -1 and 1 between all pairs.
        n: spins.
        seed: of the draw.
    """
    if kind == "3-regular":
        graph = nx.random_regular_graph(3, n, seed=seed)
        couplings = np.asarray(nx.to_numpy_array(graph, nodelist=range(n)), np.float64) / 2
        return IsingInstance(couplings, energies_of_states(np.zeros(n), couplings), graph.number_of_edges() / 2)
    upper = np.triu(np.random.default_rng(seed).choice([-1.0, 1.0], (n, n)), 1)
    couplings = upper + upper.T
    return IsingInstance(couplings, energies_of_states(np.zeros(n), couplings), 0.0)


def instances(kind: str, n: int, seeds: int) -> list[IsingInstance]:
    """Those of the seeds 0, 1, ..., of which there are three at most where there are 20 spins or more."""
    return [instance(kind, n, seed) for seed in range(min(seeds, _LARGE_SEEDS) if n >= _LARGE else seeds)]

"""Blocks out of good states: whole regions in which they differ, each taken from one state or from the other.

Where a block of sites is too small to leave a state, a region in which two good states differ is a step from one to the
other that no single site makes; a wrapped backend combines as many regions as a block has variables.

Source: regions in which replicas differ, Houdayer 2001, https://doi.org/10.1007/PL00011151; what replicas agree upon as
one variable, Houdayer & Martin 2001, https://doi.org/10.1103/PhysRevE.64.056704.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qubo_backends._decompose.block import Block
from qubo_backends._decompose.growth import SiteGraph
from qubo_dnn.local_search import Bits, LocalModel, LocalState

Indices = NDArray[np.intp]


def regions(
    model: LocalModel, graph: SiteGraph, x: Bits, others: Sequence[Bits], most: int, symmetric: bool
) -> list[list[tuple[int, int]]]:
    """Return the steps from a state to others, region by region.

    A region is connected, and every other state either has all of it as `x` has it, or nothing of it.

    Args:
        model: arrays of the problem.
        graph: its sites.
        x: [n] the state.
        others: states, the first of which that differs says what a step leads to.
        most: variables of a block. Fewer regions than this are taken apart into their sites.
        symmetric: whether the complement of a state is as good, so that what all agree upon may differ, too.
    """
    from scipy.sparse import csgraph

    sites = model.sites
    chosen = sites.options(np.array([x, *others], np.int8))
    differs = chosen[1:] != chosen[0]
    _, pattern = np.unique(differs, axis=1, return_inverse=True)
    pattern = pattern.ravel()
    links = graph.links.tocoo()
    same = pattern[links.row] == pattern[links.col]
    alike = type(links)((np.ones(int(same.sum())), (links.row[same], links.col[same])), shape=links.shape)
    count, region = csgraph.connected_components(alike, directed=False)
    if count < most:
        count, region = graph.count, np.arange(graph.count, dtype=region.dtype)
    steps: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for site in range(graph.count):
        differing = np.flatnonzero(differs[:, site])
        if not len(differing) and not symmetric:
            continue
        options = sites.variables[sites.starts[site] : sites.starts[site + 1]]
        old = int(options[chosen[0, site]])
        new = int(options[chosen[1 + differing[0], site]] if len(differing) else options[1 - chosen[0, site]])
        steps[region[site]] += [(variable, change) for variable, change in ((old, -1), (new, 1)) if variable >= 0]
    return [step for step in steps if step]


class Merger:
    """Blocks of neighbouring regions.

    Args:
        steps: see `regions`.
        state: the state that they lead away from.
    """

    def __init__(self, steps: Sequence[Sequence[tuple[int, int]]], state: LocalState) -> None:
        self._steps = [list(step) for step in steps]
        whole = Block.of(self._steps, len(state.x), (), [0] * len(self._steps)).steps
        links = abs(whole) @ abs(state.model.forms[0].couplings) @ abs(whole).T
        links.setdiag(0.0)
        links.eliminate_zeros()
        self._links = links.tocsr()
        self.unvisited = np.ones(len(self._steps), bool)

    def block(self, state: LocalState, most: int, rng: np.random.Generator) -> Block:
        """Grow a block from a region that no block has held yet; the regions may have been stepped to before."""
        taken = [int(rng.choice(np.flatnonzero(self.unvisited)))]
        free, linked = np.ones(len(self._steps), bool), np.zeros(len(self._steps), bool)
        while len(taken) < min(most, len(self._steps)):
            free[taken[-1]] = False
            linked[self._links.indices[slice(*self._links.indptr[taken[-1] : taken[-1] + 2])]] = True
            near = np.flatnonzero(free & linked)
            taken.append(int(rng.choice(near if len(near) else np.flatnonzero(free))))
        self.unvisited[taken] = False
        steps = [self._steps[region] for region in taken]
        now = [int(all((state.x[v] == 1) == (change > 0) for v, change in step)) for step in steps]
        return Block.of(steps, len(state.x), (), now)

"""Branch and bound on the convex relaxation: a proven optimum of problems of a few hundred variables.

A node keeps some options of every site. Its bound is that of the convex relaxation over these options. It drops options
whose excess would raise the bound above the best known energy. The search processes nodes in the order of their bounds.
A node branches on the site with the largest loss in the relaxation, whose options are divided into two parts.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.bounds.interior_point import minimise
from qubo_dnn.bounds.relaxation import UNIT_ROUNDOFF, ConvexRelaxation, lower_bound
from qubo_dnn.bounds.site_model import Floats, Indices, ReducedSiteModel, SiteModel, reduce_sites

Kept = NDArray[np.bool_]
_PRECISION = 1e-6


@dataclass(frozen=True, eq=False)
class Tree:
    """Result of a search.

    Attributes:
        bound: no state within the constraints has a lower energy; infinity if no such state exists.
        energy: lowest energy of a state, from the search or known before; infinity if no state is known.
        chosen: [S] option of every site in the best state of the search; None if no state is below the known energy.
        nodes: number of processed nodes.

    Example:
        >>> tree = Tree(bound=-2.0, energy=-2.0, chosen=np.array([1, 3, 4]), nodes=11)
        >>> tree.energy - tree.bound
        0.0
    """

    bound: float
    energy: float
    chosen: Indices | None
    nodes: int


def search(
    relaxation: ConvexRelaxation,
    known: float,
    enough: Callable[[float], float],
    over: Callable[[], bool],
    progress: Callable[[Tree], None] = lambda _: None,
) -> Tree:
    """Raise the bound until it is as high as the lowest energy.

    Args:
        relaxation: convex relaxation of the problem, as tight as possible.
        known: energy of a state within the constraints, or infinity.
        enough: smallest bound that proves an energy to be optimal, see `qubo_dnn.bounds.steps.Steps`.
        over: called before every node; True ends the search.
        progress: receives the state of the search from time to time.

    Example:
        >>> from qubo_dnn.bounds import convexify
        >>> from qubo_dnn.bounds.site_model import site_model
        >>> from qubo_dnn.registry import get_formulation
        >>> options = site_model(get_formulation("max-cut")([(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0)]).compile())
        >>> search(
        ...     next(convexify.relaxations(options, over=lambda: False)),
        ...     known=np.inf,
        ...     enough=lambda energy: energy - 0.5,
        ...     over=lambda: False,
        ... ).energy
        -2.0
    """
    return _Search(relaxation, known, enough).run(over, progress)


@dataclass(order=True)
class _Node:
    bound: float
    number: int
    kept: Kept = field(compare=False)
    shares: Floats = field(compare=False)


class _Search:
    def __init__(self, relaxation: ConvexRelaxation, known: float, enough: Callable[[float], float]) -> None:
        self._enough = enough
        self.given, self.options = relaxation.options, relaxation.convex_options()
        self.best = known
        self.chosen: Indices | None = None
        self.site_of = self.options.sites.site_of
        self.nodes, self.open = 0, list[_Node]()
        # The lowest bound of the pruned nodes.
        self.aside = np.inf
        self.root = relaxation.bound.value

    def run(self, over: Callable[[], bool], progress: Callable[[Tree], None]) -> Tree:
        self.look(np.ones(len(self.site_of), bool), self.root)
        while self.open and not over():
            node = heapq.heappop(self.open)
            if node.bound >= self.enough:
                self.aside = min(self.aside, node.bound)
                break
            for kept in self.branches(node):
                self.look(kept, node.bound)
            progress(self.state())
        return self.state()

    @property
    def enough(self) -> float:
        """Nodes with at least this bound are pruned."""
        return self._enough(self.best)

    def state(self) -> Tree:
        # An energy has rounding errors too; subtracting a margin makes it a valid bound.
        margin = 8.0 * (len(self.site_of) + 20.0) * UNIT_ROUNDOFF * self.given.magnitude
        lowest = min(self.aside, self.best - margin, self.open[0].bound if self.open else np.inf)
        return Tree(max(lowest, self.root), self.best, self.chosen, self.nodes)

    def look(self, kept: Kept, bound: float) -> None:
        """Bound a node, and add it to the open nodes unless it can be pruned."""
        self.nodes += 1
        options = self.options
        sites = reduce_sites(options, kept)
        if not _reachable(options, sites):
            return
        if not len(sites.bases):
            self.take(sites.fixed)
            return
        point = minimise(sites, sites.matrix, sites.linear, options.equal, _PRECISION)
        found = lower_bound(
            sites, sites.matrix, sites.linear, point, options.equal, options.tolerances, options.magnitude
        )
        shares = np.zeros(len(kept))
        shares[sites.fixed], shares[sites.members] = 1.0, point.values
        shares[sites.bases] = 1.0 - sites.sums(point.values)
        self.take(_rounded(options, shares))
        value = max(found.value, bound)
        if value >= self.enough:
            self.aside = min(self.aside, value)
            return
        left = kept.copy()
        if np.isfinite(self.best):
            # No state with one of these options is better than the known one.
            self.aside = min(self.aside, self.enough)
            left[sites.members[found.excess >= self.enough - found.value]] = False
            left[sites.bases[found.base_excess >= self.enough - found.value]] = False
            counts = np.bincount(self.site_of[left], minlength=len(options.sites.starts) - 1)
            if not counts.all():
                return
            if counts.max() == 1:
                self.take(np.flatnonzero(left))
                return
        heapq.heappush(self.open, _Node(value, self.nodes, left, shares))

    def take(self, chosen: Indices) -> None:
        """Keep a state if it is the best so far."""
        if not self.given.meets(chosen):
            return
        energy = self.given.energy(chosen)
        if energy < self.best:
            self.best, self.chosen = energy, chosen

    def branches(self, node: _Node) -> tuple[Kept, Kept]:
        """Return the two child nodes of a node."""
        starts = self.options.sites.starts
        own = np.diagonal(self.options.matrix) * node.shares * (1.0 - node.shares)
        lost = np.add.reduceat(own, starts[:-1]) + 1e-12 * np.add.reduceat(
            node.shares * (1.0 - node.shares), starts[:-1]
        )
        lost[np.add.reduceat(node.kept.astype(np.intp), starts[:-1]) < 2] = -1.0
        site = int(np.argmax(lost))
        members = starts[site] + np.flatnonzero(node.kept[starts[site] : starts[site + 1]])
        # The options up to this one have shares that add up to at least one half.
        cut = int(np.searchsorted(np.cumsum(node.shares[members]), 0.5))
        cut = min(cut, len(members) - 2) + 1
        first, second = node.kept.copy(), node.kept.copy()
        first[members[cut:]], second[members[:cut]] = False, False
        return first, second


def _reachable(options: SiteModel, sites: ReducedSiteModel) -> bool:
    """Return whether the remaining options can keep each constraint separately, within the rounding errors."""
    rows, limits = sites.rows, sites.limits
    starts = sites.starts[:-1]
    low, high, size = np.zeros(len(limits)), np.zeros(len(limits)), np.abs(limits) + np.abs(options.limits)
    if rows.shape[1]:
        low = np.minimum(np.minimum.reduceat(rows, starts, axis=1), 0.0).sum(axis=1)
        high = np.maximum(np.maximum.reduceat(rows, starts, axis=1), 0.0).sum(axis=1)
        size = size + np.maximum.reduceat(np.abs(rows), starts, axis=1).sum(axis=1)
    allowed = options.tolerances + 8.0 * (len(options.linear) + 20.0) * UNIT_ROUNDOFF * size
    return bool((low <= limits + allowed).all() and (~options.equal | (high >= limits - allowed)).all())


def _rounded(options: SiteModel, shares: Floats) -> Indices:
    """Return the option with the largest share of every site."""
    starts = options.sites.starts
    return np.array([a + int(np.argmax(shares[a:b])) for a, b in pairwise(starts)], np.intp)

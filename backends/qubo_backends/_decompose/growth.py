"""Orders of sites from which blocks are taken: by energy impact, by coupling, by random walks, at random.

Source: energy impact and rolling selection, Booth, Reinhardt & Roy 2017, "Partitioning optimization problems for hybrid
classical/quantum execution" (qbsolv).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.local_search import Floats, LocalModel, LocalState

if TYPE_CHECKING:
    from scipy import sparse

Strategy = Literal["impact", "coupling", "walk", "random"]
STRATEGIES: tuple[Strategy, ...] = ("coupling", "impact", "walk", "random")
Indices = NDArray[np.intp]


class SiteGraph:
    """The sites of a problem, coupled by the sums of absolute interactions between them.

    Args:
        model: arrays of the problem.

    Attributes:
        count: number of sites.
        links: [sites, sites] symmetric, with an empty diagonal.
    """

    def __init__(self, model: LocalModel) -> None:
        # Imported here because scipy is slow to import.
        from scipy import sparse

        self.count = len(model.sites.starts) - 1
        self._site_of = model.site_of
        couplings = abs(model.forms[0].couplings)
        ones = np.ones(len(model.site_of))
        member = sparse.csr_array((ones, (model.site_of, np.arange(len(ones)))), shape=(self.count, len(ones)))
        self.links: sparse.csr_array = sparse.csr_array(member @ couplings @ member.T)

    def order(
        self, strategy: Strategy, state: LocalState, unvisited: NDArray[np.bool_], most: int, rng: np.random.Generator
    ) -> Indices:
        """Return at most so many different sites, of which a block takes the first ones.

        Args:
            strategy: how they are chosen.
            state: the present one.
            unvisited: [sites] those that no block of this round has held; at least one of them comes first.
            most: number of sites, >= 1.
            rng: of every random choice.
        """
        most = min(most, self.count)
        if strategy == "impact":
            impact = np.where(unvisited, self._impact(state), np.inf)
            # Of equal impacts any may come first.
            order = np.lexsort((rng.random(self.count), impact))
            return np.asarray(order[: min(most, int(unvisited.sum()))], np.intp)
        if strategy == "random":
            order = np.lexsort((rng.random(self.count), ~unvisited))
            return np.asarray(order[:most], np.intp)
        return self._grown(strategy, int(rng.choice(np.flatnonzero(unvisited))), most, rng)

    def _impact(self, state: LocalState) -> Floats:
        """[sites] the least change of the objective when a site changes alone."""
        change = np.where((state.chosen >= 0) & (state.x == 1), np.inf, state.changes()[0])
        least = np.full(self.count, np.inf)
        np.minimum.at(least, self._site_of, change)
        return least

    def _grown(self, strategy: Strategy, first: int, most: int, rng: np.random.Generator) -> Indices:
        """Grow a block from a site: by the strongest couplings to all of it, or by steps from any of its sites."""
        sites, taken = [first], np.zeros(self.count, bool)
        taken[first] = True
        pull = np.zeros(self.count)
        while len(sites) < most:
            newest = slice(*self.links.indptr[sites[-1] : sites[-1] + 2])
            pull[self.links.indices[newest]] += self.links.data[newest]
            pull[sites[-1]] = 0.0
            reachable = np.flatnonzero((pull > 0.0) & ~taken)
            if not len(reachable):
                reachable = np.flatnonzero(~taken)
                following = int(rng.choice(reachable))
            elif strategy == "coupling":
                strongest = reachable[pull[reachable] >= pull[reachable].max() * (1.0 - 1e-9)]
                following = int(rng.choice(strongest))
            else:
                chances = pull[reachable]
                following = int(rng.choice(reachable, p=chances / chances.sum()))
            sites.append(following)
            taken[following] = True
        return np.array(sites, np.intp)

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
        return self._grown(strategy, unvisited, most, rng)

    def _impact(self, state: LocalState) -> Floats:
        """[sites] the least change of the objective when a site changes alone."""
        change = np.where((state.chosen >= 0) & (state.x == 1), np.inf, state.changes()[0])
        least = np.full(self.count, np.inf)
        np.minimum.at(least, self._site_of, change)
        return least

    def _grown(self, strategy: Strategy, unvisited: NDArray[np.bool_], most: int, rng: np.random.Generator) -> Indices:
        """Grow a block from a site: by the strongest couplings to all of it, or by steps from any of its sites.

        It takes unvisited neighbours first and then others, so that blocks overlap where they would be small.
        """
        sites = [int(rng.choice(np.flatnonzero(unvisited)))]
        free, pull = np.ones(self.count, bool), np.zeros(self.count)
        while len(sites) < most:
            newest = sites[-1]
            links = slice(*self.links.indptr[newest : newest + 2])
            pull[self.links.indices[links]] += self.links.data[links]
            free[newest] = False
            near = np.flatnonzero(free & (pull > 0.0))
            fresh = near[unvisited[near]]
            near = fresh if len(fresh) else near
            if not len(near):
                sites.append(int(rng.choice(np.flatnonzero(free))))
            elif strategy == "coupling":
                sites.append(int(rng.choice(near[pull[near] >= pull[near].max() * (1.0 - 1e-9)])))
            else:
                sites.append(int(rng.choice(near, p=pull[near] / pull[near].sum())))
        return np.array(sites, np.intp)

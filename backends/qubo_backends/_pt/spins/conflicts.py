"""Models of conflicts: the variables that bring something, no two of which that are coupled pay together.

With energy `-sum_i w_i x_i + sum_ij q_ij x_i x_j` over x in {0, 1}, where every q_ij > 0 is at least the smaller of w_i
and w_j, dropping the lighter of two coupled variables that are 1 never costs anything. So a state of least energy is an
independent set of most weight. Independent sets, vertex covers (of the others), cliques (of the complement), packings
and matchings have such models. Moves that keep the set independent pass where single flips meet penalties.

Source: the equivalence is that of Hammer & Rudeanu 1968, see Boros & Hammer 2002, "Pseudo-Boolean optimization".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._pt.spins.model import SpinModel
from qubo_backends._shared.struct import Struct

# More variables than these are not searched: it would hold back the clock.
_MOST_SEARCHED = 3000


@dataclass(frozen=True, eq=False)
class Conflicts(Struct):
    """A graph with a weight on every node, as kernels see it.

    Attributes:
        weights: [n] what a node brings; those of no or negative weight are never taken.
        starts: [n + 1] where every node's neighbours begin.
        neighbours: [entries] int32, each edge in both its rows.
        chosen: the spin, -1 or 1, of nodes in the set.
    """

    weights: NDArray[np.float64]
    starts: NDArray[np.int64]
    neighbours: NDArray[np.int32]
    chosen: int

    def states(self, members: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return the spins [n] of a set, which is [n] of 0 and 1."""
        return np.asarray(self.chosen * (2 * members - 1), np.int8)


def conflicts_of(model: SpinModel) -> Conflicts | None:
    """The conflicts of a model; None where it is no model of conflicts, or a very large one."""
    if model.n > _MOST_SEARCHED or not model.rows.size or model.rows.min() < 0.0:
        return None
    matrix = scipy.sparse.csr_array(model.couplings)
    starts, neighbours = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
    of_row, sums = np.repeat(np.arange(model.n), np.diff(starts)), matrix.sum(1)
    for chosen in (1, -1):
        # In terms of x = (1 + chosen s) / 2: what is linear, and four times every coupling.
        weights = 2.0 * (sums - chosen * model.own)
        lighter = np.minimum(weights[of_row], weights[neighbours])
        if weights.max() > 0.0 and np.all(4.0 * matrix.data >= lighter - model.least_gain):
            return Conflicts(weights, starts, neighbours, chosen)
    return None

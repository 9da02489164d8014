"""Which models are eliminated; it is known without numba, which is slow to import and to compile."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_WIDTH = 22
"""Largest number of neighbours of a variable at its elimination, which takes two tables of 32 MiB."""
FEWEST = 32
"""Models of at most so many variables are not eliminated before sampling: all backends find their optima."""

MOST_INTERACTIONS = 1_000_000
"""Larger problems stay unchanged: reading them again costs seconds, and few of their variables could go."""


def eliminable(size: int, pairs: NDArray[np.integer]) -> bool:
    """Return False if it is clear at once that `eliminate` would be of no use.

    Args:
        size: number of variables.
        pairs: [2, m] coupled pairs.

    Example:
        >>> eliminable(100, np.array(np.triu_indices(100, 1)))
        False
    """
    if not size or pairs.shape[1] > MOST_WIDTH * size:
        return False
    return bool(np.bincount(pairs.ravel(), minlength=size).min() <= MOST_WIDTH)


# Share of the variables that have to be eliminated, for the kernels to be worth their compilation.
_WORTH = 0.1
# By so much the minimum degree order of the kernels, which breaks ties in another way, may be better than this one.
_SLACK = 4
# Variables of at most this many neighbours are eliminated in any component.
_FEW = 2


def worth_eliminating(size: int, pairs: NDArray[np.integer]) -> bool:
    """Return whether a good part of a model will be eliminated, which is found in a fraction of a second.

    A component counts if variables can be taken in the order of their degrees (minimum degree), or in a sweep from one
    end to the other (Cuthill & McKee 1969), without ever having more than about `MOST_WIDTH` neighbours; variables of
    few neighbours count anywhere. The kernels of the elimination take long to compile and need not be for any other
    model.

    Args:
        size: number of variables.
        pairs: [2, m] coupled pairs.

    Example:
        >>> path = np.array([np.arange(99), np.arange(1, 100)])
        >>> worth_eliminating(100, path), worth_eliminating(100, np.array(np.triu_indices(100, 1)))
        (True, False)
    """
    if not eliminable(size, pairs):
        return False
    wanted = _WORTH * size
    few, is_left = _by_degree(size, pairs)
    if few >= wanted:
        return True
    # Imported here, since a backend that takes no such model is told so before anything slow is loaded.
    import scipy.sparse
    from scipy.sparse.csgraph import connected_components

    adjacency = scipy.sparse.coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), shape=(size, size)).tocsr()
    count, component = connected_components(adjacency, directed=False)
    whole = np.ones(count, bool)
    whole[component[is_left]] = False
    whole |= _swept_widths(adjacency, component, count) <= MOST_WIDTH + _SLACK
    return bool(np.count_nonzero(whole[component]) >= wanted)


def _by_degree(size: int, pairs: NDArray[np.integer]) -> tuple[int, NDArray[np.bool_]]:
    """Return how many variables are eliminated before one has more than a few neighbours, and [n] what is left."""
    neighbours: list[set[int]] = [set() for _ in range(size)]
    for one, other in zip(*pairs.tolist(), strict=True):
        neighbours[one].add(other)
        neighbours[other].add(one)
    queue = [(len(own), variable) for variable, own in enumerate(neighbours)]
    heapq.heapify(queue)
    is_left, few, width = np.ones(size, bool), 0, 0
    while queue:
        degree, variable = heapq.heappop(queue)
        if not is_left[variable] or len(neighbours[variable]) != degree:
            continue
        if degree > MOST_WIDTH + _SLACK:
            break
        width = max(width, degree)
        few += width <= _FEW
        is_left[variable] = False
        clique = neighbours[variable]
        for other in clique:
            own = neighbours[other]
            own |= clique
            own -= {variable, other}
            heapq.heappush(queue, (len(own), other))
    return few, is_left


def _swept_widths(adjacency: Any, component: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """[components] most variables that a sweep has passed and that have neighbours ahead of it."""
    import scipy.sparse
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    size = adjacency.shape[0]
    symmetric = scipy.sparse.csr_matrix(adjacency + adjacency.T)
    order = reverse_cuthill_mckee(symmetric, symmetric_mode=True)
    place = np.empty(size, np.int64)
    place[order] = np.arange(size)
    entries = symmetric.tocoo()
    last = np.arange(size)
    np.maximum.at(last, place[entries.row], place[entries.col])
    # A variable is waited for from its own place until its last neighbour's; components have places one behind another.
    change = np.ones(size + 1, np.int64)
    change[size] = 0
    np.add.at(change, last, -1)
    waiting = np.cumsum(change[:size])
    widths = np.zeros(count, np.int64)
    np.maximum.at(widths, component[order], waiting)
    return widths

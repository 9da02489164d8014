"""Greedy answers, which formulations give as `Problem.start`."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

# So many times at most are nodes ranked; of more than these, several are taken at a time.
_RANKINGS = 2000


def greedy_independent_set(pairs: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.int8]:
    """Take, again and again, the node of the greatest weight per node that it rules out, itself included.

    Args:
        pairs: [2, m] nodes that exclude each other, each pair once.
        weights: [n], >= 0.

    Returns:
        [n] 1 for the nodes taken.

    Source: Sakai, Togasaki & Yamazaki 2003, "A note on greedy algorithms for the maximum weighted independent set
        problem" (GWMIN).

    Example:
        >>> star = np.array([[0, 0, 0], [1, 2, 3]])
        >>> greedy_independent_set(star, np.array([1.5, 1.0, 1.0, 1.0])).tolist()
        [0, 1, 1, 1]
    """
    size = len(weights)
    ends = np.concatenate([pairs, pairs[::-1]], axis=1)
    degrees = np.bincount(ends[0], minlength=size)
    neighbours = np.split(ends[1][np.argsort(ends[0], kind="stable")], np.cumsum(degrees)[:-1])
    taken, left = np.zeros(size, np.int8), np.ones(size, bool)
    at_once = 1 + size // _RANKINGS
    while left.any():
        nodes = np.flatnonzero(left)
        for node in nodes[np.argsort(-weights[nodes] / (1 + degrees[nodes]), kind="stable")[:at_once]]:
            if left[node]:
                taken[node] = 1
                out = neighbours[node][left[neighbours[node]]]
                left[node] = left[out] = False
                for each in out:
                    degrees[neighbours[each]] -= 1
    return taken


def by_value_per_weight(values: NDArray[np.float64], weights: NDArray[np.float64]) -> list[int]:
    """Return the items of a value above 0, the greatest value per weight first.

    Example:
        >>> by_value_per_weight(np.array([6.0, 5.0, -1.0, 1.0]), np.array([3.0, 2.0, 1.0, 0.0]))
        [3, 1, 0]
    """
    ratios = np.divide(values, weights, out=np.full(len(values), np.inf), where=weights > 0.0)
    return [item for item in np.argsort(-ratios, kind="stable").tolist() if values[item] > 0.0]


def first_fit(items: Sequence[int], sizes: NDArray[np.float64], rooms: Sequence[float]) -> dict[int, int]:
    """Put items, in their order, each into the first place with enough room; those that fit nowhere stay out.

    Returns:
        Item -> its place.

    Example:
        >>> first_fit([0, 1, 2, 3], np.array([4.0, 3.0, 3.0, 2.0]), [6.0, 6.0])
        {0: 0, 1: 1, 2: 1, 3: 0}
    """
    left, places = list(rooms), {}
    for item in items:
        place = next((k for k, room in enumerate(left) if sizes[item] <= room), None)
        if place is not None:
            left[place] -= float(sizes[item])
            places[item] = place
    return places


def greedy_cover(sets: Sequence[Collection[Hashable]], costs: NDArray[np.float64]) -> list[int]:
    """Take, again and again, the set with the least cost per element that it adds, until nothing is left to add.

    Source: Chvatal 1979, "A greedy heuristic for the set-covering problem".

    Example:
        >>> greedy_cover([["a", "b"], ["b", "c"], ["a", "b", "c"]], np.array([1.0, 1.0, 3.0]))
        [0, 1]
    """
    new = np.array([len(set(each)) for each in sets])
    having: dict[Hashable, list[int]] = {}
    for position, each in enumerate(sets):
        for element in set(each):
            having.setdefault(element, []).append(position)
    taken: list[int] = []
    while new.any():
        prices = np.divide(costs, new, out=np.full(len(sets), np.inf), where=new > 0)
        taken.append(int(np.argmin(prices)))
        for element in set(sets[taken[-1]]):
            for position in having.pop(element, ()):
                new[position] -= 1
    return sorted(taken)


def nearest_neighbours(distances: NDArray[np.float64]) -> list[int]:
    """Go from place 0 to the nearest place that is left, and on from there; return the places in order.

    Args:
        distances: [n, n].

    Example:
        >>> nearest_neighbours(np.array([[0.0, 3.0, 1.0], [3.0, 0.0, 1.0], [1.0, 1.0, 0.0]]))
        [0, 2, 1]
    """
    left = np.array(distances, float)
    tour = [0]
    for _ in range(len(left) - 1):
        left[:, tour[-1]] = np.inf
        tour.append(int(np.argmin(left[tour[-1]])))
    return tour

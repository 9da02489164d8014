"""Tours: assignments whose places form a path or a ring, as those of round trips and sequences do.

Only neighbouring places have couplings, so that turning a segment round costs few of them, and all segments with the
same centre are tried in one pass. Descents by such reversals are iterated: two neighbouring segments of the best tour
change places, which reversals alone hardly undo.

Source: Croes 1958 (2-opt); Martin, Otto & Felten 1991 (the double bridge, of which this is a part); Lourenco, Martin &
    Stutzle 2003, "Iterated local search".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._pt.choices.searches.record import copy
from qubo_backends._pt.random import ONLY, below
from qubo_backends._shared.jit import inner, kernel
from qubo_backends._shared.struct import Struct

# The longest segments that change places.
_SEGMENT = 50


@dataclass(frozen=True, eq=False)
class Tour(Struct):
    """Places in a ring and what may stand there; a path is a ring with one step that costs nothing.

    Attributes:
        variables: [places, things] of the model.
        steps: [places] block of the step from each place to the next.
        blocks: [k, things, things] couplings of a thing with the one that follows; steps with the same ones share them.
    """

    variables: NDArray[np.int64]
    steps: NDArray[np.int64]
    blocks: NDArray[np.float64]


def find_tour(couplings: scipy.sparse.csr_array, variables: NDArray[np.int64]) -> Tour | None:
    """The tour in an assignment, None where it is none.

    Args:
        couplings: [N, N] of the model.
        variables: [n, n] of the assignment; either axis may be that of the places.
    """
    n = len(variables)
    for ordered in (variables, variables.T):
        places = np.full(couplings.shape[0], -1)
        places[ordered] = np.arange(n)[:, None]
        order = _ring(couplings, places, n)
        if order is None:
            continue
        rows, steps, blocks = ordered[order], np.zeros(n, np.int64), dict[bytes, tuple[int, NDArray[np.float64]]]()
        for t in range(n):
            block = couplings[rows[t]][:, rows[(t + 1) % n]].toarray().astype(np.float64)
            steps[t] = blocks.setdefault(block.tobytes(), (len(blocks), block))[0]
        return Tour(np.ascontiguousarray(rows), steps, np.array([block for _, block in blocks.values()]))
    return None


def _ring(couplings: scipy.sparse.csr_array, places: NDArray[np.int64], n: int) -> list[int] | None:
    """The places in order where they form a path or a ring.

    Args:
        couplings: [N, N] of the model.
        places: [N] place of every variable, -1 where it has none.
        n: number of places.
    """
    entries = couplings.tocoo()
    ends = places[entries.row], places[entries.col]
    # The last one takes what has no place.
    adjacent = np.zeros((n + 1, n + 1), bool)
    adjacent[ends] = True
    np.fill_diagonal(adjacent, False)
    neighbours = [np.flatnonzero(row).tolist() for row in adjacent[:n, :n]]
    if max(map(len, neighbours)) > 2:
        return None
    order = [min(range(n), key=lambda place: len(neighbours[place]))]
    while step := [place for place in neighbours[order[-1]] if place not in order[-2:-1] and place != order[0]]:
        order.append(step[0])
    return order if len(order) == n else None


@inner
def _cost(tour: Tour, linear: NDArray[np.float64], things: NDArray[np.int64]) -> float:
    total = 0.0
    for t in range(things.size):
        following = things[t + 1 if t + 1 < things.size else 0]
        total += linear[t, things[t]] + tour.blocks[tour.steps[t], things[t], following]
    return total


@inner
def _descend(tour: Tour, linear: NDArray[np.float64], things: NDArray[np.int64], least: float) -> int:
    """Reverse segments until no reversal of one gains `least`: of all with the same centre the best.

    Returns:
        The number of reversals that were looked at.
    """
    steps, blocks = tour.steps, tour.blocks
    n = things.size
    ends, idle, looks = 1, 0, 0
    while idle < 2 * n - 3:
        j = ends // 2 + 1
        i = ends - j
        # Inside the segment, its ends included.
        inside, smallest, first, last = 0.0, -least, -1, -1
        while i >= 0 and j < n and (i > 0 or j < n - 1):
            looks += 1
            a, b = things[i], things[j]
            if j == i + 1:
                inside += blocks[steps[i], b, a] - blocks[steps[i], a, b]
            else:
                x, y = things[i + 1], things[j - 1]
                inside += blocks[steps[i], b, y] - blocks[steps[i], a, x]
                inside += blocks[steps[j - 1], x, a] - blocks[steps[j - 1], y, b]
            inside += linear[i, b] + linear[j, a] - linear[i, a] - linear[j, b]
            p, before, behind = i - 1 if i > 0 else n - 1, things[i - 1], things[j + 1 if j + 1 < n else 0]
            enter, leave = blocks[steps[p]], blocks[steps[j]]
            delta = inside + enter[before, b] - enter[before, a] + leave[a, behind] - leave[b, behind]
            if delta < smallest:
                smallest, first, last = delta, i, j
            i, j = i - 1, j + 1
        idle += 1
        if first >= 0:
            idle = 0
            while first < last:
                things[first], things[last] = things[last], things[first]
                first, last = first + 1, last - 1
        ends = ends + 1 if ends < 2 * n - 3 else 1
    return looks


@kernel
def search_tours(
    tour: Tour,
    linear: NDArray[np.float64],
    patience: int,
    least: float,
    random: NDArray[np.uint64],
    things: NDArray[np.int64],
    best: NDArray[np.int64],
) -> int:
    """Search until as many descents as `patience` brought nothing better.

    Args:
        tour: of n places.
        linear: [places, things] biases.
        patience: descents.
        least: the least change of the energy that counts.
        random: [1] state of the generator.
        things: [n] in their order to start from, changed in place.
        best: [n] receives the best order.

    Returns:
        The number of reversals that were looked at.
    """
    n = things.size
    longest = min(n // 3, _SEGMENT)
    looks = _descend(tour, linear, things, least)
    copy(things, best)
    lowest = _cost(tour, linear, best)
    step = found = 0
    while step - found < patience:
        step += 1
        a, b = 1 + below(random, ONLY, longest), 1 + below(random, ONLY, longest)
        first = below(random, ONLY, n - a - b + 1)
        for t in range(b):
            things[first + t] = best[first + a + t]
        for t in range(a):
            things[first + b + t] = best[first + t]
        looks += _descend(tour, linear, things, least)
        cost = _cost(tour, linear, things)
        if cost < lowest - least:
            found = step
        if cost <= lowest:
            lowest = cost
            copy(things, best)
        else:
            copy(best, things)
    return looks

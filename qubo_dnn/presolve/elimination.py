"""Exact elimination of variables: optima of models of low treewidth, and smaller models of the others.

Eliminating a variable minimises over it: a table gets the least energy for every state of its neighbours, and its best
value is read off again when they are known. If whole components are eliminated, the result is an optimum of theirs.
The order of the elimination decides the size of the tables, see `qubo_dnn.presolve._elimination.order`. In components
whose tables would be too large, only variables of up to two neighbours are eliminated, whose tables are biases and
couplings of the neighbours. The lowest states after the optimum are those that deviate from it, found in the order of
their energies.

Sources: Bertele & Brioschi 1972, "Nonserial Dynamic Programming"; Dechter 1999, "Bucket elimination: a unifying
framework for reasoning"; Lawler 1972 (the k best solutions).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.presolve._elimination.order import Order, elimination_order
from qubo_dnn.presolve._elimination.state import Graph, Integers
from qubo_dnn.presolve._elimination.tables import Floats, Model, Tables, additions, complete, deviate, fill, stack_size
from qubo_dnn.presolve.eliminable import MOST_WIDTH, eliminable

MOST_ENTRIES = 2**31
"""Largest number of entries of all tables of whole components: 256 MiB of choices, and ten seconds of one core."""
# The same if several states are wanted, whose gains take 8 bytes an entry; largest stack of messages.
_MOST_GAINS, _MOST_STACKED = 2**25, 2**25
# Largest number of members of cliques that are read for several states.
_MOST_READ = 2**30
# Entries between two looks at the clock, about a tenth of a second.
_CHUNK = 2**25


@dataclass(frozen=True, eq=False)
class Elimination:
    """A model after the elimination of variables.

    Attributes:
        size: n, number of variables of the model.
        order, tables: the eliminated variables.
        left: [m] the other variables, in ascending order.
        linear: [m] their biases.
        pairs: [2, p] pairs of positions in `left`, each once.
        couplings: [p] their couplings.
        offset: energy of the model minus that of what is left, at the best values of the eliminated variables.
        rounding: upper bound on the rounding errors of the energies of what is left, with the offset.

    Example:
        >>> biases, pairs = np.array([0.5, 0.0, 0.0]), np.array([[0, 1], [1, 2]])
        >>> chain = eliminate(biases, pairs, np.array([1.0, -2.0]), low=-1.0)
        >>> chain.offset, len(chain.left), chain.width
        (-3.5, 0, 1)
        >>> chain.completed(np.zeros((1, 0), np.int8)).tolist()
        [[0, 1, 1]]
    """

    size: int
    order: Order
    tables: Tables
    left: Integers
    linear: Floats
    pairs: Integers
    couplings: Floats
    offset: float
    rounding: float

    @property
    def width(self) -> int:
        """Largest number of neighbours that a variable had at its elimination."""
        return self.order.width

    def completed(self, states: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return [k, n] states of 0 and 1 from [k, m] states of what is left."""
        whole = np.zeros((len(states), self.size), np.int8)
        whole[:, self.left] = states
        complete(self.order, self.tables, whole)
        return whole

    def lowest(self, count: int) -> NDArray[np.int8]:
        """Return the [k, n] lowest states, lowest first; k is `count`, or the number of all states if that is lower.

        It needs a model that is eliminated whole, with tables for several states.
        """
        positions = len(self.order.vertices)
        found = [np.zeros(self.size, np.int8)]
        losses = np.zeros(positions)
        deviate(self.order, self.tables, found[0], positions, losses)
        # Every state but the optimum deviates from a known one at a position, and at none above.
        heap: list[tuple[float, int, int]] = []
        cost, limit = 0.0, positions
        while len(found) < count:
            wanted = min(count - len(found), limit)
            if wanted:
                for position in np.argpartition(losses[:limit], wanted - 1)[:wanted].tolist():
                    heapq.heappush(heap, (cost + float(losses[position]), len(found) - 1, position))
            if not heap:
                break
            cost, origin, limit = heapq.heappop(heap)
            found.append(found[origin].copy())
            deviate(self.order, self.tables, found[-1], limit, losses)
        return np.array(found, np.int8).reshape(len(found), self.size)


def eliminate(
    linear: Floats,
    pairs: NDArray[np.integer],
    couplings: Floats,
    *,
    low: float,
    count: int = 1,
    whole: bool = False,
    most_width: int = MOST_WIDTH,
    most_entries: int = MOST_ENTRIES,
    over: Callable[[], bool] = lambda: False,
) -> Elimination | None:
    """Eliminate what can be eliminated within the limits: whole components, or variables of up to two neighbours.

    Args:
        linear: [n] biases.
        pairs: [2, m] pairs of variables, each once.
        couplings: [m] their couplings.
        low: the lower value of every variable, 0.0 or -1.0; the higher one is 1.
        count: number of states that are wanted. If it is above 1, a model is eliminated whole or not at all.
        whole: the same for one state.
        most_width: largest number of neighbours of a variable at its elimination, 2 to `MOST_WIDTH`.
        most_entries: limit of the work, see `MOST_ENTRIES`.
        over: called every tenth of a second; True ends the elimination.

    Returns:
        The result; None if no variable is eliminated, or if `over` has ended the work.

    Example:
        >>> bow = eliminate(np.ones(3), np.array([[0, 1], [1, 2]]), np.array([-3.0, 1.0]), low=0.0, count=2)
        >>> bow.lowest(2).tolist(), bow.offset
        ([[1, 1, 0], [0, 0, 0]], -1.0)
    """
    size, kept = len(linear), couplings != 0.0
    pairs, couplings = pairs[:, kept], couplings[kept].astype(np.float64)
    degrees = np.bincount(pairs.ravel(), minlength=size)
    if not eliminable(size, pairs):
        return None
    ends, others = np.concatenate([pairs, pairs[::-1]], axis=1).astype(np.int64)
    sorting = np.argsort(ends, kind="stable")
    graph = Graph(np.concatenate([[0], np.cumsum(degrees)]).astype(np.int64), others[sorting])
    limit = min(most_entries, MOST_ENTRIES if count == 1 else _MOST_GAINS)
    order = elimination_order(graph, most_width, limit)
    while stack_size(order) > _MOST_STACKED and most_width > 2:
        most_width = min(most_width, order.width) - 1
        order = elimination_order(graph, most_width, limit)
    partly = (whole or count > 1) and len(order.vertices) < size
    too_long = count > 1 and len(order.members) * count > _MOST_READ
    if not len(order.vertices) or partly or too_long or stack_size(order) > _MOST_STACKED:
        return None
    model = Model(graph, np.asarray(linear, np.float64), np.tile(couplings, 2)[sorting], float(low))
    tables = _tables(order, size, count > 1)
    first = depth = 0
    written = np.cumsum(1 << order.widths)
    while first < len(order.vertices):
        if over():
            return None
        begun = written[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(written, begun + _CHUNK)))
        depth = fill(model, order, tables, depth, first, last)
        first = last
    return _result(model, order, tables, pairs, couplings)


def entries_within(seconds: float) -> int:
    """Return how many entries are eliminated within a time limit: a third of what one core does, see `MOST_ENTRIES`.

    Example:
        >>> entries_within(math.inf) == MOST_ENTRIES
        True
    """
    return int(min(MOST_ENTRIES, 2**26 * seconds))


@cache
def compile_elimination() -> None:
    """Compile the kernels, or load them from disk.

    Example:
        >>> compile_elimination()
    """
    found = eliminate(np.zeros(2), np.array([[0], [1]]), np.ones(1), low=0.0, count=2)
    if found is not None:
        found.completed(found.lowest(2)[:, found.left])


def _tables(order: Order, size: int, several: bool) -> Tables:
    """Return empty tables."""
    entries = 1 << order.widths
    bytes_from = np.cumsum((entries + 7) // 8)
    gains_from, positions = np.cumsum(entries), len(entries)
    return Tables(
        choices=np.empty(int(bytes_from[-1]), np.uint8),
        gains=np.empty(int(gains_from[-1]) if several else 0),
        choices_from=np.concatenate([[0], bytes_from[:-1]]).astype(np.int64),
        gains_from=np.concatenate([[0], gains_from[:-1]]).astype(np.int64),
        messages=np.empty(max(stack_size(order), 1)),
        tops=np.empty(positions, np.int64),
        ends=np.empty(positions, np.int64),
        roots=np.empty((positions, 4)),
        zero=np.empty(int(entries.max())),
        one=np.empty(int(entries.max())),
        places=np.full(size, -1, np.int64),
    )


def _result(model: Model, order: Order, tables: Tables, pairs: NDArray[np.integer], couplings: Floats) -> Elimination:
    """Add the messages that nobody receives to what is left."""
    size, span = len(model.linear), 1.0 - model.low
    is_left = np.ones(size, bool)
    is_left[order.vertices] = False
    left, place = np.flatnonzero(is_left), np.cumsum(is_left) - 1
    roots = np.flatnonzero(order.parents < 0)
    none, first, second, both = tables.roots[roots].T
    one, other = (first - none) / span, (second - none) / span
    product = (none - first - second + both) / span**2
    # Of bits, then of values: a bit is `(value - low) / span`.
    constants = none - model.low * (one + other) + model.low**2 * product
    one, other = one - model.low * product, other - model.low * product
    widths, begins = order.widths[roots], order.starts[roots]
    linear = model.linear[left].copy()
    for rank, biases in ((0, one), (1, other)):
        felt = widths > rank
        np.add.at(linear, place[order.members[begins[felt] + rank]], biases[felt])
    coupled = widths == 2
    ends = order.members[begins[coupled][None] + np.array([[0], [1]])]
    inside = is_left[pairs].all(axis=0)
    joined = place[np.concatenate([pairs[:, inside], ends], axis=1)]
    joined, which = np.unique(np.sort(joined, axis=0), axis=1, return_inverse=True)
    sums = np.bincount(which, np.concatenate([couplings[inside], product[coupled]]), joined.shape[1])
    # Every message and bias is a sum of biases, and several messages reach a variable that is left.
    magnitude = span * float(np.abs(model.linear).sum() + np.abs(couplings).sum())
    steps = additions(order) + 20.0 + (len(roots) if len(left) else 0.0)
    rounding = 1.1 * steps * float(np.finfo(float).eps) / 2.0 * magnitude
    return Elimination(
        size=size,
        order=order,
        tables=tables,
        left=left,
        linear=linear,
        pairs=joined,
        couplings=sums.astype(np.float64),
        offset=math.fsum(constants),
        rounding=rounding,
    )

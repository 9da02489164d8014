"""The order in which variables are eliminated: always one with the fewest neighbours (minimum degree).

Eliminating a variable couples its neighbours, which are its clique, with each other. The largest clique is the width of
the order, an upper bound on the treewidth of the graph.

Source: Bodlaender & Koster 2010, "Treewidth computations I. Upper bounds".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qubo_dnn.presolve._elimination.state import (
    Before,
    Graph,
    Integers,
    State,
    couple,
    eliminate_vertex,
    enter,
    leave,
    place_of,
    undo,
    with_room,
)
from qubo_dnn.support.jit import compiled

# Variables with at most this many neighbours are eliminated in any component: what is left is quadratic.
_FEW = 2


class Order(NamedTuple):
    """Vertices in the order of their elimination, with the neighbours that they have at that moment.

    A vertex stands directly behind those whose messages it receives, and behind all that these depend on, so that
    messages are kept on a stack.

    Attributes:
        vertices: [k] eliminated vertices.
        starts: [k + 1] where the clique of every position begins in `members`.
        members: the cliques, each in the order of elimination; vertices that are left are at its end.
        parents: [k] position of the first eliminated member of the clique, which receives the message; -1 without one.

    Example:
        >>> order = Order(np.array([0, 1]), np.array([0, 1, 1]), np.array([1]), np.array([1, -1]))
        >>> order.width, order.entries
        (1, 3)
    """

    vertices: Integers
    starts: Integers
    members: Integers
    parents: Integers

    @property
    def widths(self) -> Integers:
        """[k] size of every clique."""
        return np.diff(self.starts)

    @property
    def width(self) -> int:
        """Size of the largest clique."""
        return int(self.widths.max(initial=0))

    @property
    def entries(self) -> int:
        """Number of states of all cliques together."""
        return int((1 << self.widths).sum())


def elimination_order(graph: Graph, most_width: int, most_entries: int) -> Order:
    """Return an order of whole components within the limits, and of vertices of few neighbours in the others.

    Args:
        graph: without loops; every pair of neighbours once in both lists.
        most_width: size of the largest clique, >= 2.
        most_entries: largest number of states of all cliques of the whole components together.

    Example:
        >>> square = Graph(np.array([0, 2, 4, 6, 8]), np.array([1, 3, 0, 2, 1, 3, 0, 2]))
        >>> elimination_order(square, most_width=2, most_entries=100).width
        2
    """
    return Order(*_in_postorder(*_eliminated(graph, most_width, most_entries)))


@compiled
def _layers(graph: Graph) -> tuple[Integers, Integers]:
    """Return [n] the vertices, component by component, and where the components begin.

    Within a component they are in the order of their distance from a vertex at its edge (Cuthill & McKee 1969), so that
    a long and narrow graph is swept from one end to the other.
    """
    size = graph.starts.size - 1
    vertices, firsts = np.empty(size, np.int64), np.empty(size + 1, np.int64)
    rounds = np.zeros(size, np.int64)
    first = parts = 0
    for vertex in range(size):
        if rounds[vertex]:
            continue
        seed = count = vertex
        for number in range(1, 4):
            vertices[first], rounds[seed] = seed, number
            done, count = first, first + 1
            while done < count:
                for other in graph.others[graph.starts[vertices[done]] : graph.starts[vertices[done] + 1]]:
                    if rounds[other] < number:
                        vertices[count], rounds[other] = other, number
                        count += 1
                done += 1
            # The farthest vertex is nearer to the edge.
            seed = vertices[count - 1]
        firsts[parts] = first
        parts, first = parts + 1, count
    firsts[parts] = size
    return vertices, firsts[: parts + 1]


@compiled
def _eliminate_listed(
    graph: Graph,
    state: State,
    listed: Integers,
    swept: bool,
    most_width: int,
    most_entries: int,
    count: int,
    pairs: Integers,
    number: int,
    offset: int,
) -> tuple[int, Integers, int, int]:
    """Eliminate vertices until none is left, or until a limit is met.

    Args:
        graph: the graph.
        state: its state.
        listed: vertices, in the order of their elimination if `swept`; those that are gone are passed over.
        swept: False: take one of fewest neighbours.
        most_width: largest clique.
        most_entries: largest number of states of all cliques together.
        count: number of vertices that are eliminated already.
        pairs: keys of all pairs of neighbours.
        number: number of pairs.
        offset: of the keys of new pairs, see `couple`.

    Returns:
        The number of eliminated vertices, the pairs, their number, and the number of states of the cliques; one more
        than allowed if a vertex is left.
    """
    entries, left, following = 0, 0, 0
    state.heads[:] = -1
    for vertex in listed:
        if not state.gone[vertex]:
            left += 1
            enter(state, vertex)
    while left:
        if swept:
            while state.gone[listed[following]]:
                following += 1
            vertex = listed[following]
        else:
            degree = 0
            while degree <= most_width and state.heads[degree] < 0:
                degree += 1
            if degree > most_width:
                return count, pairs, number, most_entries + 1
            vertex = state.heads[degree]
        width = state.degrees[vertex]
        if width > most_width or entries + (1 << width) > most_entries:
            return count, pairs, number, most_entries + 1
        entries += 1 << width
        leave(state, vertex)
        eliminate_vertex(graph, state, count, vertex)
        pairs = with_room(pairs, number + width * width)
        number = couple(state, count, pairs, number, offset)
        left, count = left - 1, count + 1
    return count, pairs, number, entries


@compiled
def _eliminated(graph: Graph, most_width: int, most_entries: int) -> tuple[Integers, Integers, Integers, int]:
    """Return the vertices in an order of elimination, where cliques begin, the cliques, and the number of vertices."""
    size = graph.starts.size - 1
    longest = max(most_width, _FEW) * size
    state = State(
        np.empty(size, np.int64),
        np.zeros(size + 1, np.int64),
        np.empty(longest, np.int64),
        np.empty(longest, np.int64),
        np.empty(longest, np.int64),
        np.full(size, -1, np.int64),
        np.zeros(size, np.bool_),
        np.zeros(size, np.bool_),
        np.full(size, -1, np.int64),
        graph.starts[1:] - graph.starts[:-1],
        np.empty(max(most_width, _FEW) + 1, np.int64),
        np.empty(size, np.int64),
        np.empty(size, np.int64),
    )
    number = graph.others.size // 2
    pairs = with_room(np.full(64, -1, np.int64), number)
    for one in range(size):
        for other in graph.others[graph.starts[one] : graph.starts[one + 1]]:
            if one < other:
                pairs[place_of(pairs, one * size + other)] = one * size + other
    listed, firsts = _layers(graph)
    few, pairs, number, _ = _eliminate_listed(graph, state, listed, False, _FEW, 4 * size, 0, pairs, number, 0)
    count, offset = few, 0
    before = Before(state.degrees.copy(), state.last.copy(), state.absorbed.copy())
    for part in range(firsts.size - 1):
        vertices = listed[firsts[part] : firsts[part + 1]]
        if state.gone[vertices].all():
            continue
        # Tries both orders, with keys of their own, and makes the sweep again if it is better.
        fits, allowed, begun = False, most_entries, count
        for swept in (True, False, True):
            offset += size * size
            count, pairs, number, entries = _eliminate_listed(
                graph, state, vertices, swept, most_width, allowed, begun, pairs, number, offset
            )
            if entries <= allowed and (fits or not swept):
                most_entries -= entries
                break
            undo(state, before, vertices, begun, count)
            count = begun
            if swept and entries <= allowed:
                fits, allowed = True, entries
            elif not swept and not fits:
                break
    return state.vertices[:count], state.starts[: count + 1], state.members[: state.starts[count]], size


@compiled
def _in_postorder(
    vertices: Integers, starts: Integers, members: Integers, size: int
) -> tuple[Integers, Integers, Integers, Integers]:
    """Return the fields of `Order`; the given order has vertices behind those whose messages they receive."""
    count = vertices.size
    place = np.full(size, count, np.int64)
    for position in range(count):
        place[vertices[position]] = position
    parents, sizes = np.full(count + 1, count, np.int64), np.ones(count + 1, np.int64)
    for position in range(count):
        for vertex in members[starts[position] : starts[position + 1]]:
            parents[position] = min(parents[position], place[vertex])
        sizes[parents[position]] += sizes[position]
    # Every vertex with all that it depends on has a range of its own, of which it takes the last place.
    begins = np.zeros(count + 1, np.int64)
    moved = np.empty(count, np.int64)
    for position in range(count - 1, -1, -1):
        begin = begins[parents[position]]
        begins[parents[position]] += sizes[position]
        begins[position] = begin
        moved[position] = begin + sizes[position] - 1
    found, firsts, cliques = np.empty(count, np.int64), np.zeros(count + 1, np.int64), np.empty_like(members)
    receivers = np.full(count, -1, np.int64)
    for position in range(count):
        found[moved[position]] = vertices[position]
        firsts[moved[position] + 1] = starts[position + 1] - starts[position]
        if parents[position] < count:
            receivers[moved[position]] = moved[parents[position]]
    for position in range(count):
        firsts[position + 1] += firsts[position]
        place[vertices[position]] = moved[position]
    for position in range(count):
        first, width = firsts[moved[position]], starts[position + 1] - starts[position]
        # Sorts by insertion, since cliques are small.
        for i in range(width):
            vertex, j = members[starts[position] + i], first + i
            while j > first and place[cliques[j - 1]] > place[vertex]:
                cliques[j] = cliques[j - 1]
                j -= 1
            cliques[j] = vertex
    return found, firsts, cliques, receivers

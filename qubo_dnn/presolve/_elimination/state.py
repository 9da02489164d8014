"""A graph in the course of its elimination: its cliques, and queues of vertices by their number of neighbours.

Pairs of neighbours are keys of a hash table. Attempts to eliminate a component are taken back with the state before
them, and the keys of every attempt have an offset of their own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.support.jit import compiled

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Graph(NamedTuple):
    """A graph as lists of neighbours.

    Attributes:
        starts: [n + 1] where the neighbours of every vertex begin in `others`.
        others: the neighbours.

    Example:
        >>> Graph(starts=np.array([0, 1, 2]), others=np.array([1, 0])).others.tolist()
        [1, 0]
    """

    starts: Integers
    others: Integers


class State(NamedTuple):
    """A graph in the course of its elimination.

    Attributes:
        vertices: [n] eliminated vertices; the other entries are not set yet.
        starts: [n + 1] where their cliques begin in `members`.
        members, owners: entries of the cliques, and the position whose clique they belong to.
        links: [entries] for every entry, the previous entry of the same vertex, or -1.
        last: [n] the last entry of every vertex, or -1.
        absorbed: [n] True for a position whose clique is part of a later one.
        gone: [n] True for an eliminated vertex.
        marks: [n] last position whose clique a vertex was found in.
        degrees: [n] number of neighbours of every vertex.
        heads: vertices of up to `len(heads) - 1` neighbours are in one list for every number: its first one, or -1.
        after, before: [n] neighbours in these lists, or -1.
    """

    vertices: Integers
    starts: Integers
    members: Integers
    owners: Integers
    links: Integers
    last: Integers
    absorbed: Flags
    gone: Flags
    marks: Integers
    degrees: Integers
    heads: Integers
    after: Integers
    before: Integers


@compiled
def enter(state: State, vertex: int) -> None:
    degree = state.degrees[vertex]
    if degree < state.heads.size:
        head = state.heads[degree]
        state.after[vertex], state.before[vertex], state.heads[degree] = head, -1, vertex
        if head >= 0:
            state.before[head] = vertex


@compiled
def leave(state: State, vertex: int) -> None:
    degree = state.degrees[vertex]
    if degree < state.heads.size:
        before, after = state.before[vertex], state.after[vertex]
        if before >= 0:
            state.after[before] = after
        else:
            state.heads[degree] = after
        if after >= 0:
            state.before[after] = before


@compiled
def place_of(pairs: Integers, key: int) -> int:
    """Return the place of a key in a hash table, or the empty place, marked by -1, where it belongs."""
    mask = pairs.size - 1
    place = ((key * -7046029254386353131) >> 32) & mask
    while pairs[place] >= 0 and pairs[place] != key:
        place = (place + 1) & mask
    return place


@compiled
def with_room(pairs: Integers, count: int) -> Integers:
    """Return the hash table, or a larger one if more than half of it would be taken."""
    size = pairs.size
    while size < 2 * count:
        size *= 2
    if size == pairs.size:
        return pairs
    larger = np.full(size, -1, np.int64)
    for key in pairs:
        if key >= 0:
            larger[place_of(larger, key)] = key
    return larger


@compiled
def eliminate_vertex(graph: Graph, state: State, position: int, vertex: int) -> None:
    """Take a vertex as the next one, and find its clique: neighbours in the graph, and through absorbed cliques."""
    members, marks = state.members, state.marks
    state.gone[vertex], state.vertices[position] = True, vertex
    first = end = state.starts[position]
    for other in graph.others[graph.starts[vertex] : graph.starts[vertex + 1]]:
        if not state.gone[other]:
            members[end], marks[other] = other, position
            end += 1
    entry = state.last[vertex]
    while entry >= 0:
        owner = state.owners[entry]
        if not state.absorbed[owner]:
            state.absorbed[owner] = True
            for other in members[state.starts[owner] : state.starts[owner + 1]]:
                if not state.gone[other] and marks[other] != position:
                    members[end], marks[other] = other, position
                    end += 1
        entry = state.links[entry]
    state.starts[position + 1] = end
    for entry in range(first, end):
        state.owners[entry], state.links[entry] = position, state.last[members[entry]]
        state.last[members[entry]] = entry


@compiled
def couple(state: State, position: int, pairs: Integers, number: int, offset: int) -> int:
    """Make all members of a clique neighbours, and count their neighbours; return the number of pairs.

    Args:
        state: after the elimination of `position`.
        position: the one of the clique.
        pairs: keys of all pairs, with room for those of the clique.
        number: number of pairs.
        offset: added to the keys of new pairs. Those with another offset, except 0, do not count.
    """
    size, clique = state.gone.size, state.members[state.starts[position] : state.starts[position + 1]]
    for vertex in clique:
        leave(state, vertex)
        state.degrees[vertex] -= 1
    for i in range(clique.size):
        for j in range(i):
            key = min(clique[i], clique[j]) * size + max(clique[i], clique[j])
            if pairs[place_of(pairs, key)] < 0:
                place = place_of(pairs, key + offset)
                if pairs[place] < 0:
                    pairs[place] = key + offset
                    number += 1
                    state.degrees[clique[i]] += 1
                    state.degrees[clique[j]] += 1
    for vertex in clique:
        enter(state, vertex)
    return number


class Before(NamedTuple):
    """What an attempt changes, as it was before: see `State`."""

    degrees: Integers
    last: Integers
    absorbed: Flags


@compiled
def undo(state: State, before: Before, component: Integers, begun: int, count: int) -> None:
    """Take back the elimination of positions `begun` to `count - 1`, all from one component."""
    for vertex in state.vertices[begun:count]:
        state.gone[vertex] = False
    state.absorbed[begun:count] = False
    for vertex in component:
        state.degrees[vertex], state.last[vertex], state.marks[vertex] = before.degrees[vertex], before.last[vertex], -1
        entry = state.last[vertex]
        while entry >= 0:
            state.absorbed[state.owners[entry]] = before.absorbed[state.owners[entry]]
            entry = state.links[entry]

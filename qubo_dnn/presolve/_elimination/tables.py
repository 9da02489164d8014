"""Kernels of the elimination: tables of messages, and the states that they lead back to.

A table has an entry for every state of a clique. Bit `i` of its index is set if the `i`-th member has its higher value,
which is 1; the lower value, `low`, is 0 or -1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.presolve._elimination.order import Order
from qubo_dnn.presolve._elimination.state import Graph, Integers
from qubo_dnn.support.jit import compiled

Floats = NDArray[np.float64]


class Model(NamedTuple):
    """Energy `linear @ x + sum of couplings * x_i * x_j` over x_i in {low, 1}.

    Attributes:
        graph: pairs with a coupling.
        linear: [n].
        couplings: one for every entry of `graph.others`.
        low: 0.0 or -1.0.
    """

    graph: Graph
    linear: Floats
    couplings: Floats
    low: float


class Tables(NamedTuple):
    """What the elimination keeps, and its stack of messages.

    Attributes:
        choices: one bit for every entry: whether the best value of the variable is 1.
        gains: for every entry, the energy with 1 minus the energy with `low`; empty if it is not kept.
        choices_from: [k] byte at which every position begins in `choices`.
        gains_from: [k] entry at which every position begins in `gains`.
        messages: the stack.
        tops, ends: [k] positions whose messages are on the stack, and where these end.
        roots: [k, 4] messages to at most two variables that are left; rows of positions with a parent are not set.
        zero, one: [2^width] a table with the variable at `low` and at 1.
        places: [n] -1.
    """

    choices: NDArray[np.uint8]
    gains: Floats
    choices_from: Integers
    gains_from: Integers
    messages: Floats
    tops: Integers
    ends: Integers
    roots: Floats
    zero: Floats
    one: Floats
    places: Integers


@compiled
def stack_size(order: Order) -> int:
    """Return the largest number of entries on the stack of messages."""
    tops, ends = np.empty(order.parents.size, np.int64), np.zeros(order.parents.size + 1, np.int64)
    depth = largest = 0
    for position in range(order.parents.size):
        while depth and order.parents[tops[depth - 1]] == position:
            depth -= 1
        if order.parents[position] >= 0:
            tops[depth] = position
            ends[depth + 1] = ends[depth] + (1 << (order.starts[position + 1] - order.starts[position]))
            depth += 1
            largest = max(largest, ends[depth])
    return largest


@compiled
def additions(order: Order) -> int:
    """Return the largest number of additions that a bias goes through on its way into a message to nobody."""
    depths, received = np.zeros(order.parents.size, np.int64), np.zeros(order.parents.size, np.int64)
    largest = 0
    for position in range(order.parents.size):
        # A field sums the couplings in any order, and is then added.
        width = order.starts[position + 1] - order.starts[position]
        depths[position] = max(depths[position], width + 3) + received[position]
        parent = order.parents[position]
        if parent >= 0:
            depths[parent] = max(depths[parent], depths[position])
            received[parent] += 1
        largest = max(largest, depths[position])
    return largest


@compiled
def _sums(weights: Floats) -> Floats:
    """Return the sum of every set of the weights."""
    sums = np.zeros(1 << weights.size)
    for bit in range(weights.size):
        for index in range(1 << bit):
            sums[index + (1 << bit)] = sums[index] + weights[bit]
    return sums


@compiled
def _index_sums(weights: Integers) -> Integers:
    """The same for integers."""
    sums = np.zeros(1 << weights.size, np.int64)
    for bit in range(weights.size):
        for index in range(1 << bit):
            sums[index + (1 << bit)] = sums[index] + weights[bit]
    return sums


@compiled
def _add_field(model: Model, vertex: int, clique: Integers, tables: Tables) -> None:
    """Set the two tables of a variable to its own bias and its couplings with the clique."""
    field, weights = model.linear[vertex], np.zeros(clique.size)
    for place in range(clique.size):
        tables.places[clique[place]] = place
    for entry in range(model.graph.starts[vertex], model.graph.starts[vertex + 1]):
        place = tables.places[model.graph.others[entry]]
        if place >= 0:
            weights[place] = model.couplings[entry]
            field += model.low * model.couplings[entry]
    tables.places[clique] = -1
    weights *= 1.0 - model.low
    half = (clique.size + 1) // 2
    lower, upper = _sums(weights[:half]), _sums(weights[half:])
    for high in range(upper.size):
        begin = high * lower.size
        for index in range(lower.size):
            value = field + (upper[high] + lower[index])
            tables.zero[begin + index], tables.one[begin + index] = model.low * value, value


@compiled
def _add_message(message: Floats, sender: Integers, clique: Integers, tables: Tables) -> None:
    """Add a message, whose first bit is the variable itself, to the two tables of a variable."""
    weights, bit = np.zeros(clique.size, np.int64), 1
    for place in range(clique.size):
        # Both cliques are in the order of elimination.
        if bit < sender.size and sender[bit] == clique[place]:
            weights[place] = 1 << bit
            bit += 1
    half = (clique.size + 1) // 2
    lower, upper = _index_sums(weights[:half]), _index_sums(weights[half:])
    for high in range(upper.size):
        begin = high * lower.size
        for index in range(lower.size):
            entry = upper[high] + lower[index]
            tables.zero[begin + index] += message[entry]
            tables.one[begin + index] += message[entry + 1]


@compiled
def fill(model: Model, order: Order, tables: Tables, depth: int, first: int, last: int) -> int:
    """Eliminate positions `first` to `last - 1`.

    Args:
        model: what is eliminated.
        order: the order.
        tables: filled for the positions below `first`.
        depth: number of messages on the stack.
        first: first position.
        last: position after the last one.

    Returns:
        The number of messages on the stack.
    """
    for position in range(first, last):
        clique = order.members[order.starts[position] : order.starts[position + 1]]
        size = 1 << clique.size
        _add_field(model, order.vertices[position], clique, tables)
        while depth and order.parents[tables.tops[depth - 1]] == position:
            depth -= 1
            sender = tables.tops[depth]
            members = order.members[order.starts[sender] : order.starts[sender + 1]]
            begin = tables.ends[depth - 1] if depth else 0
            _add_message(tables.messages[begin : tables.ends[depth]], members, clique, tables)
        if tables.gains.size:
            begin = tables.gains_from[position]
            for index in range(size):
                tables.gains[begin + index] = tables.one[index] - tables.zero[index]
        begin = tables.choices_from[position]
        for byte in range((size + 7) // 8):
            bits = 0
            for index in range(8 * byte, min(8 * byte + 8, size)):
                if tables.one[index] < tables.zero[index]:
                    bits |= 1 << (index & 7)
                    tables.zero[index] = tables.one[index]
            tables.choices[begin + byte] = bits
        if order.parents[position] >= 0:
            begin = tables.ends[depth - 1] if depth else 0
            tables.messages[begin : begin + size] = tables.zero[:size]
            tables.tops[depth], tables.ends[depth] = position, begin + size
            depth += 1
        else:
            for index in range(4):
                tables.roots[position, index] = tables.zero[index % size]
    return depth


@compiled
def complete(order: Order, tables: Tables, states: NDArray[np.int8]) -> None:
    """Set the eliminated variables of states [k, n] of 0 and 1 to their best values."""
    for row in range(len(states)):
        for position in range(order.parents.size - 1, -1, -1):
            index = 0
            for place in range(order.starts[position], order.starts[position + 1]):
                index |= np.int64(states[row, order.members[place]]) << (place - order.starts[position])
            byte = tables.choices[tables.choices_from[position] + (index >> 3)]
            states[row, order.vertices[position]] = (byte >> (index & 7)) & 1


@compiled
def deviate(order: Order, tables: Tables, state: NDArray[np.int8], position: int, losses: Floats) -> None:
    """Change the variable at a position of a state [n], and set those at lower positions to their best values.

    Args:
        order: the order.
        tables: filled tables with gains.
        state: changed in place.
        position: the position; the number of positions to set all variables.
        losses: [k] set to the energy that a change of the variable at a lower position would cost, >= 0.
    """
    if position < order.parents.size:
        state[order.vertices[position]] = 1 - state[order.vertices[position]]
    for below in range(position - 1, -1, -1):
        index = 0
        for place in range(order.starts[below], order.starts[below + 1]):
            index |= np.int64(state[order.members[place]]) << (place - order.starts[below])
        gain = tables.gains[tables.gains_from[below] + index]
        state[order.vertices[below]] = 1 if gain < 0.0 else 0
        losses[below] = abs(gain)

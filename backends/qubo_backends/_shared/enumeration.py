"""All states of a small model, one change at a time, along the reflected mixed-radix Gray code.

Every site of a state is a digit, whose value is the option taken. Digit j runs up and down alternately, so the state at
any position has a closed form (Knuth, TAOCP 4A, 7.2.1.1, algorithm H).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_backends._shared.jit import compiled
from qubo_dnn.sites import OFF, Sites


@compiled
def states_at(sites: Sites, n: int, positions: NDArray[np.int64]) -> NDArray[np.int8]:
    """[k, n] states of `n` variables at [k] positions of the code."""
    states = np.zeros((positions.size, n), np.int8)
    for row in range(positions.size):
        rest = positions[row]
        for j in range(sites.starts.size - 1):
            size = sites.starts[j + 1] - sites.starts[j]
            value, rest = rest % size, rest // size
            if rest % 2 == 1:
                value = size - 1 - value
            variable = sites.variables[sites.starts[j] + value]
            if variable != OFF:
                states[row, variable] = 1
    return states


@compiled
def block_energies(
    linear: NDArray[np.float64], matrix: NDArray[np.float64], sites: Sites, first: int, energies: NDArray[np.float64]
) -> None:
    """Energies of the states from position `first` on, as many as `energies` has room for.

    Args:
        linear: `[n]` linear biases.
        matrix: `[n, n]` symmetric interactions with a zero diagonal.
        sites: of the model.
        first: position of the first state.
        energies: receives the energies, without the offset.
    """
    count = sites.starts.size - 1
    value, step = np.zeros(count, np.int64), np.ones(count, np.int64)
    field, energy = linear.copy(), 0.0
    rest = first
    for j in range(count):
        size = sites.starts[j + 1] - sites.starts[j]
        value[j], rest = rest % size, rest // size
        if rest % 2 == 1:
            value[j], step[j] = size - 1 - value[j], -1
        variable = sites.variables[sites.starts[j] + value[j]]
        if variable != OFF:
            energy += field[variable]
            field += matrix[variable]
    energies[0] = energy
    for position in range(1, energies.size):
        j = 0
        while not 0 <= value[j] + step[j] < sites.starts[j + 1] - sites.starts[j]:
            step[j] = -step[j]
            j += 1
        off = sites.variables[sites.starts[j] + value[j]]
        value[j] += step[j]
        on = sites.variables[sites.starts[j] + value[j]]
        if off != OFF:
            energy -= field[off]
            for i in range(field.size):
                field[i] -= matrix[off, i]
        if on != OFF:
            energy += field[on]
            for i in range(field.size):
                field[i] += matrix[on, i]
        energies[position] = energy

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
def state_at(sites: Sites, n: int, position: int) -> NDArray[np.int8]:
    """The state of `n` variables at a position of the code."""
    state = np.zeros(n, np.int8)
    rest = position
    for j in range(sites.starts.size - 1):
        size = sites.starts[j + 1] - sites.starts[j]
        value, rest = rest % size, rest // size
        if rest % 2 == 1:
            value = size - 1 - value
        variable = sites.variables[sites.starts[j] + value]
        if variable != OFF:
            state[variable] = 1
    return state


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
            field -= matrix[off]
        if on != OFF:
            energy += field[on]
            field += matrix[on]
        energies[position] = energy

"""All states of a small model, one change at a time, along the reflected mixed-radix Gray code.

A state is a row of digits: a free variable has the options off and on, a one-hot group its members. Digit j runs
up and down by turns, so the state at any position has a closed form (Knuth, TAOCP 4A, 7.2.1.1, algorithm H).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qubo_backends._jit import compiled

NONE = -1


class Digits(NamedTuple):
    """What the states are made of.

    Attributes:
        options: variable that is 1 for each option of each digit, or `NONE`; one digit after the other.
        starts: `[digits + 1]` where every digit begins in `options`.
    """

    options: NDArray[np.int64]
    starts: NDArray[np.int64]


def digits_of(options: Sequence[Sequence[int]]) -> Digits:
    """Digits from the options of each."""
    flat = [variable for digit in options for variable in digit]
    return Digits(np.array(flat, np.int64), np.cumsum([0, *map(len, options)], dtype=np.int64))


@compiled
def state_at(digits: Digits, n: int, position: int) -> NDArray[np.int8]:
    """The state of `n` variables at a position of the code."""
    state = np.zeros(n, np.int8)
    rest = position
    for j in range(digits.starts.size - 1):
        size = digits.starts[j + 1] - digits.starts[j]
        value, rest = rest % size, rest // size
        if rest % 2 == 1:
            value = size - 1 - value
        variable = digits.options[digits.starts[j] + value]
        if variable != NONE:
            state[variable] = 1
    return state


@compiled
def block_energies(
    linear: NDArray[np.float64], matrix: NDArray[np.float64], digits: Digits, first: int, energies: NDArray[np.float64]
) -> None:
    """Energies of the states from position `first` on, as many as `energies` has room for.

    Args:
        linear: `[n]` linear biases.
        matrix: `[n, n]` symmetric interactions with a zero diagonal.
        digits: what the states are made of.
        first: position of the first state.
        energies: receives the energies, without the offset.
    """
    count = digits.starts.size - 1
    value, step = np.zeros(count, np.int64), np.ones(count, np.int64)
    field, energy = linear.copy(), 0.0
    rest = first
    for j in range(count):
        size = digits.starts[j + 1] - digits.starts[j]
        value[j], rest = rest % size, rest // size
        if rest % 2 == 1:
            value[j], step[j] = size - 1 - value[j], -1
        variable = digits.options[digits.starts[j] + value[j]]
        if variable != NONE:
            energy += field[variable]
            field += matrix[variable]
    energies[0] = energy
    for position in range(1, energies.size):
        j = 0
        while not 0 <= value[j] + step[j] < digits.starts[j + 1] - digits.starts[j]:
            step[j] = -step[j]
            j += 1
        off = digits.options[digits.starts[j] + value[j]]
        value[j] += step[j]
        on = digits.options[digits.starts[j] + value[j]]
        if off != NONE:
            energy -= field[off]
            field -= matrix[off]
        if on != NONE:
            energy += field[on]
            field += matrix[on]
        energies[position] = energy

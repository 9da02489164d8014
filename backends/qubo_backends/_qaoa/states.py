"""State vectors: their arrays, how many states are simulated, and what they take. Imports nothing heavy."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bits = NDArray[np.int8]
State = NDArray[np.complex128]
# A state of 22 qubits takes 64 MiB, an evaluation of its energy about half a second.
MOST_QUBITS = 22
# States that keep one-hot groups.
MOST_STATES = 2**20


def bytes_of_state(states: int) -> int:
    """Memory of a state vector."""
    return 16 * states


def readable_bytes(size: int) -> str:
    """Such as "16 GiB"."""
    power = min(int(math.log2(size) // 10), 8) if size else 0
    return f"{size / 2 ** (10 * power):.3g} {['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB'][power]}"

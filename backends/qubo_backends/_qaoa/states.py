"""State vectors: their arrays, how many states are simulated, and what they take. Imports nothing heavy."""

from __future__ import annotations

from decimal import Decimal

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
    """Such as "16 GiB"; state vectors of thousands of qubits are beyond what a float can say."""
    power = min((size.bit_length() - 1) // 10, 8) if size else 0
    unit = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"][power]
    return f"{readable_count(Decimal(size) / 2 ** (10 * power))} {unit}"


def readable_count(count: Decimal | int) -> str:
    """A number of any size, such as "12.5", "1,023" or "1.27e+30"."""
    if count < 1e6:
        return f"{float(count):.3g}" if count < 1000 else f"{count:,.0f}"
    return f"{Decimal(count):.2e}"

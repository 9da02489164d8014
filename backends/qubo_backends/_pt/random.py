"""Random numbers of many streams inside compiled loops (splitmix64; Steele, Lea and Flood 2014)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._shared.jit import inner

# Every literal is of the type it meets: numba widens uint64 and int to float64.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11))

ONLY: Any = np.int64(0)
"""The stream of a generator that has one. A plain 0 is a type of its own to numba, which compiles callees once more."""


@inner
def uniform(random: NDArray[np.uint64], stream: int) -> float:
    """A number in [0, 1) from one stream."""
    random[stream] += _GAMMA
    z = random[stream]
    z = (z ^ (z >> _SHIFTS[0])) * _MIX_1
    z = (z ^ (z >> _SHIFTS[1])) * _MIX_2
    z = z ^ (z >> _SHIFTS[2])
    return float(z >> _SHIFTS[3]) * 2.0**-53


@inner
def below(random: NDArray[np.uint64], stream: int, count: int) -> int:
    """A number among 0, ..., count - 1 from one stream."""
    return int(uniform(random, stream) * count)

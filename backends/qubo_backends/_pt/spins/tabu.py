"""Tabu search by single flips: the polishing where descents end early, as on dense models and with penalties.

The best flip that is not tabu is made, uphill too; a spin that was flipped rests for a while, unless its flip would
lead to the best state of this search.

Source: Glover 1986; tenure and aspiration as in Palubeckis 2006, "Iterated tabu search for the unconstrained binary
quadratic optimization problem", and Lu, Glover & Hao 2010, "A hybrid metaheuristic approach to solving the UBQP
problem".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.random import ONLY, below
from qubo_backends._pt.spins.model import Couplings, Floats, flip, sum_state_fields
from qubo_backends._shared.jit import compiled, summing

# A spin rests for n / 100 flips and up to this many more, drawn anew each time; see `ONLY` for its type.
_TENURE_SPAN: Any = np.int64(10)


@summing
def _largest_gain(spins: Any, fields: Any, rests: NDArray[np.int32], step: np.int32, wanted: Any) -> float:
    """Largest `s_i f_i` of the spins that do not rest, or that gain more than `wanted`."""
    none = spins.dtype.type(-3e38)
    largest: float = none
    for i in range(spins.size):
        gain = spins[i] * fields[i]
        largest = max(largest, gain if (rests[i] <= step) | (gain > wanted) else none)
    return largest


@compiled
def tabu_search(
    couplings: Couplings,
    spins: Floats,
    fields: Floats,
    least: float,
    patience: int,
    random: NDArray[np.uint64],
    rests: NDArray[np.int32],
    best: NDArray[np.int8],
) -> tuple[float, int]:
    """Search until as many flips as `patience` brought nothing better.

    Args:
        couplings: the model.
        spins: [n] of the state to start from, changed in place.
        fields: [n] scratch of the same type, its local fields.
        least: half of the least change that counts.
        patience: flips.
        random: [1] state of the generator.
        rests: [n] scratch.
        best: [n] receives the best state passed.

    Returns:
        The energy of `best`, up to rounding, and the number of flips.
    """
    n = spins.size
    number = spins.dtype.type
    energy = sum_state_fields(couplings, spins, fields)
    change, lowest, step, found = 0.0, 0.0, 0, 0
    for i in range(n):
        rests[i] = 0
        best[i] = np.int8(spins[i])
    while step - found < patience:
        step += 1
        wanted = number((change - lowest) / 2.0 + least)
        gain = _largest_gain(spins, fields, rests, np.int32(step), wanted)
        # Of equal gains the first behind a random place.
        first, flipped = below(random, ONLY, n), -1
        for offset in range(n):
            i = first + offset if first + offset < n else first + offset - n
            if spins[i] * fields[i] == gain and (rests[i] <= step or gain > wanted):
                flipped = i
                break
        if flipped < 0:
            continue
        change -= 2.0 * gain
        flip(couplings, spins, fields, flipped)
        rests[flipped] = step + 1 + n // 100 + below(random, ONLY, _TENURE_SPAN)
        if change < lowest - least:
            lowest, found = change, step
            for i in range(n):
                best[i] = np.int8(spins[i])
    return energy + lowest, step

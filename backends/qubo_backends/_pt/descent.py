"""Descent by single flips, and the temperature range that is measured with it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._jit import compiled
from qubo_backends._pt.spins import SpinModel, add_row

_PROBES = 8
# Share of the root mean square field of random states that is the hottest temperature. Spin glasses freeze below it, and
# hotter replicas exchange nothing of use.
_HOTTEST = 0.8
# At the coldest temperature this share of a local minimum's spins would flip uphill within a sweep. Colder replicas would
# only rest, and descents go on from there.
_COLDEST_RATE = 0.001
# The least ratio of the hottest to the coldest temperature, for models so small that both criteria meet.
_LEAST_SPAN = 4.0


@compiled
def descend(
    rows: NDArray[Any],
    starts: NDArray[np.int64],
    columns: NDArray[np.int32],
    spins: NDArray[Any],
    fields: NDArray[Any],
    least: float,
) -> float:
    """Flip spins in order while one of them gains, in place; returns the change of the energy.

    Args:
        rows, starts, columns: see `SpinModel`.
        spins, fields: [n] of one state, of one float type.
        least: half of the least gain that counts, > 0.
    """
    change, improved = 0.0, True
    while improved:
        improved = False
        for i in range(spins.size):
            gain = spins[i] * fields[i]
            if gain > least:
                change -= 2.0 * gain
                add_row(fields, rows, starts, columns, i, -(spins[i] + spins[i]))
                spins[i] = -spins[i]
                improved = True
    return change


def temperature_range(model: SpinModel, rng: np.random.Generator) -> tuple[float, float]:
    """Coldest and hottest temperature, measured on the model and so in its unit.

    Hottest: see `_HOTTEST`. Coldest: see `_COLDEST_RATE`, in the local minima that descents reach.
    """
    states = rng.choice(np.array([-1.0, 1.0]), (_PROBES, model.n))
    fields = model.local_fields(states)
    hot = _HOTTEST * float(np.sqrt(np.mean(np.square(fields)))) if fields.size else 0.0
    if hot == 0.0:
        return 1.0 / _LEAST_SPAN, 1.0
    for state, own in zip(states, fields, strict=True):
        descend(model.rows, model.starts, model.columns, state, own, model.least_gain)
    gaps = -2.0 * (states * fields)
    gaps = gaps[gaps > 2.0 * model.least_gain]
    low, high = np.log(hot) - 50.0, np.log(hot / _LEAST_SPAN)
    for _ in range(40):
        middle = (low + high) / 2
        if np.exp(-gaps / np.exp(middle)).sum() > _COLDEST_RATE * _PROBES * model.n:
            high = middle
        else:
            low = middle
    return float(np.exp(low)), hot

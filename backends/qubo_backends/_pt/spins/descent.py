"""Descent by single flips, and the temperature range that is measured with it."""

from __future__ import annotations

import numpy as np

from qubo_backends._pt.ladder import coldest_temperature
from qubo_backends._pt.spins.model import Couplings, Floats, SpinModel, add_row
from qubo_backends._shared.jit import compiled, inner

# Random states that temperatures are measured on: so many spins in all, but at least two states.
_PROBED_SPINS = 1000
# The hottest temperature as a share of the fourth root of the mean fourth power of a random state's fields, over that
# of a normal distribution: the root mean square where all spins are alike, and more where some have many more
# neighbours, for these freeze first. Spin glasses freeze below it, and hotter replicas exchange nothing of use.
_HOTTEST = 0.9
# At the coldest temperature this share of a local minimum's spins would flip uphill within a sweep. Colder replicas
# would only rest, and descents go on from there.
_COLDEST_RATE = 0.001
# The least ratio of the hottest to the coldest temperature, for models so small that both criteria meet.
_LEAST_SPAN = 4.0


@inner
def descend(couplings: Couplings, spins: Floats, fields: Floats, least: float) -> float:
    """Flip spins in order while one of them gains, in place; returns the change of the energy.

    Args:
        couplings: the model.
        spins: [n] of one state.
        fields: [n] its local fields, of the same float type.
        least: half of the least gain that counts, > 0.
    """
    change, improved = 0.0, True
    while improved:
        improved = False
        for i in range(spins.size):
            gain = spins[i] * fields[i]
            if gain > least:
                change -= 2.0 * gain
                add_row(couplings, fields, i, -(spins[i] + spins[i]))
                spins[i] = -spins[i]
                improved = True
    return change


@compiled
def descend_all(couplings: Couplings, states: Floats, fields: Floats, least: float) -> None:
    """Descend from every one of some states [k, n], see `descend`."""
    for k in range(states.shape[0]):
        descend(couplings, states[k], fields[k], least)


def temperature_range(model: SpinModel, rng: np.random.Generator) -> tuple[float, float]:
    """Coldest and hottest temperature, measured on the model and so in its unit.

    Hottest: see `_HOTTEST`. Coldest: see `_COLDEST_RATE`, in the local minima that descents reach.
    """
    probes = int(np.clip(_PROBED_SPINS // max(model.n, 1), 2, 8))
    states = rng.choice(np.array([-1.0, 1.0]), (probes, model.n))
    fields = model.local_fields(states)
    hot = _HOTTEST * float(np.mean(fields**4) / 3.0) ** 0.25 if fields.size else 0.0
    if hot == 0.0:
        return 1.0 / _LEAST_SPAN, 1.0
    descend_all(model.kernel_couplings(np.float64, np.float64), states, fields, model.least_gain)
    gaps = -2.0 * (states * fields)
    gaps = gaps[gaps > 2.0 * model.least_gain]
    return coldest_temperature(gaps, _COLDEST_RATE * probes * model.n, hot, _LEAST_SPAN), hot

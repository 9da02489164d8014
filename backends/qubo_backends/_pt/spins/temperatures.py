"""The temperature range of a model, measured on its energies, and again while it is sampled.

A spin whose flip would cost the energy g is flipped with the probability exp(-g / T), and takes up g from the heat
bath. At the coldest temperature the heat taken up in a sweep is a small share of all g together. Unlike the number of
flips, of which spins that hardly matter make most, this leaves out what together makes less than that share of the
energy, also where coefficients span decades. With penalties that all flips break, so few flips take this heat that the
replicas would stand still; there the least number of flips decides. What the cold replicas excite, descents and
searches put back.

A local minimum that a descent reaches has more spins that flip easily than states of low temperature have, so that the
temperature it tells is too low: it is only the first guess.

Source: none for this criterion; its share was tuned on spin glasses on tori and on random graphs of up to 3,375 spins.
    The hottest temperature follows the spin glass of Sherrington & Kirkpatrick 1975, which freezes at its rms field.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.ladder import Ladder
from qubo_backends._pt.spins.descent import descend_all
from qubo_backends._pt.spins.model import SpinModel

# Random states that temperatures are measured on: so many spins in all, but at least two states.
_PROBED_SPINS = 1000
# The hottest temperature as a share of the fourth root of the mean fourth power of a random state's fields, over that
# of a normal distribution: the root mean square where all spins are alike, and more where some have many more
# neighbours, for these freeze first. Spin glasses freeze below it, and hotter replicas exchange nothing of use.
_HOTTEST = 0.9
# Share of all uphill energies that is taken up in a sweep at the coldest temperature.
_COLDEST_HEAT = 1e-4
# At least this share of the spins is flipped uphill in a sweep there: with penalties few are, which take much heat.
_COLDEST_RATE = 0.0005
# The least ratio of the hottest to the coldest temperature, for models so small that both criteria meet.
_LEAST_SPAN = 4.0
# The coldest temperature is measured on one in so many replicas, the coldest, and changed by no more than this factor.
_MEASURED, _MOST_CHANGE = 8, 2.0


def temperature_range(model: SpinModel, rng: np.random.Generator) -> tuple[float, float]:
    """Coldest and hottest temperature to begin with, in the model's unit.

    Hottest: see `_HOTTEST`. Coldest: see `coldest_by_heat`, in the local minima that descents reach.
    """
    probes = int(np.clip(_PROBED_SPINS // max(model.n, 1), 2, 8))
    states = rng.choice(np.array([-1.0, 1.0]), (probes, model.n))
    fields = model.local_fields(states)
    hot = hottest_by_fields(fields)
    if hot == 0.0:
        return 1.0 / _LEAST_SPAN, 1.0
    descend_all(model.kernel_couplings(np.float64, np.float64), states, fields, model.least_gain)
    return coldest_by_heat(-2.0 * states * fields, 2.0 * model.least_gain, hot), hot


def hottest_by_fields(fields: NDArray[Any]) -> float:
    """The hottest temperature by the local fields of random states; 0.0 where there are none, see `_HOTTEST`."""
    return _HOTTEST * float(np.mean(fields**4, dtype=np.float64) / 3.0) ** 0.25 if fields.size else 0.0


def measured_coldest(model: SpinModel, ladder: Ladder, states: NDArray[np.int8]) -> float:
    """The coldest temperature by the states of replicas, near the one they have now.

    Args:
        model: that was sampled.
        ladder: with their temperatures.
        states: [k, n] of -1 and 1, those of `measured_replicas`.
    """
    now, hot = 1.0 / ladder.betas[0], 1.0 / ladder.betas[-1]
    cold = coldest_by_heat(-2.0 * states * model.local_fields(states), 2.0 * model.least_gain, hot)
    return float(np.clip(cold, now / _MOST_CHANGE, min(now * _MOST_CHANGE, hot / _LEAST_SPAN)))


def measured_replicas(ladder: Ladder) -> list[int]:
    """The coldest replicas, at least one."""
    measured: list[int] = ladder.at[: max(len(ladder.at) // _MEASURED, 1)].tolist()
    return measured


def coldest_by_heat(changes: NDArray[np.float64], least: float, hottest: float) -> float:
    """The temperature at which spins take up as little heat, or flip uphill as seldom, as wanted.

    Args:
        changes: of the energy by flipping each spin of some states.
        least: what is no more than this is rounding, or no move uphill.
        hottest: temperature of the ladder.
    """
    gaps = changes[changes > least]
    low, high = np.log(hottest) - 50.0, np.log(hottest / _LEAST_SPAN)
    for _ in range(40):
        middle = (low + high) / 2.0
        chances = np.exp(-gaps / np.exp(middle))
        warm = (gaps * chances).sum() > _COLDEST_HEAT * gaps.sum() and chances.sum() > _COLDEST_RATE * changes.size
        low, high = (low, middle) if warm else (middle, high)
    return float(np.exp(low))

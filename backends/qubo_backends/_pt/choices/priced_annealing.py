"""States annealed at prices for what the inequalities ration, instead of within them.

Within a tight budget a site can take only what one or two others give. At a price all move on their own, so that many
small things can be given up for one large one. Every state has prices of its own, which rise after a sweep that leaves
it beyond a bound and fall otherwise, so that it cools down near its bounds. What is left of them in the end goes to the
options that are worth most for it: within the inequalities, prices fall to nothing.

Source: Everett 1963, "Generalized Lagrange multiplier method"; the steps of the prices are those of resilient
propagation, Riedmiller & Braun 1993; the filling is the greedy algorithm of Dantzig 1957 for knapsacks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.energies import AT_PRICES, FILLING, Workspace
from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.replicas import Replicas
from qubo_backends._pt.choices.sweeps import FROZEN, sample_free_changes, sum_up, sweep_at_prices

# Changes tried for the hottest temperature, and sweeps of the annealing.
_TRIED, _ANNEALING = 200, 64
# Sweeps where states are frozen, and sweeps that fill what is left.
_SETTLING, _FILLING = 32, 32
# A price moves by a factor, whose logarithm grows and shrinks by these after a step on and a step back, within a range.
_ON, _BACK, _STEPS = 1.2, 0.5, (1e-3, 0.7)


def anneal_at_prices(
    model: ChoiceModel,
    replicas: Replicas,
    scales: NDArray[np.float64],
    coldest: float,
    workspace: Workspace,
    over: Callable[[], bool] = lambda: False,
) -> None:
    """Anneal states at prices; nearly all are within the inequalities then.

    Args:
        model: without equalities.
        replicas: changed in place; energies and left sides are exact at the end.
        scales: [constraints] > 0, units of violation.
        coldest: temperature.
        workspace: for as many replicas.
        over: called before every sweep; True ends the annealing, and states may be beyond their bounds then.
    """
    sum_up(model, replicas, workspace)
    changes = sample_free_changes(model, replicas, _TRIED, workspace)
    hottest = max(float(np.sqrt(np.mean(np.square(changes)))) / 2.0, coldest)
    prices = _Prices(model, scales, hottest, len(replicas.energies))
    for beta in 1.0 / np.geomspace(hottest, coldest, _ANNEALING):
        if over():
            break
        workspace.prices[:] = prices.signed
        sweep_at_prices(model, replicas, beta, workspace, AT_PRICES)
        prices.follow(replicas.sums)
    least, best = np.full(len(replicas.energies), np.inf), replicas.choices.copy()
    for _ in range(_SETTLING):
        if over():
            break
        workspace.prices[:] = prices.signed
        sweep_at_prices(model, replicas, FROZEN / coldest, workspace, AT_PRICES)
        sum_up(model, replicas, workspace)
        better = ~prices.broken(replicas.sums).any(axis=1) & (replicas.energies < least)
        least[better], best[better] = replicas.energies[better], replicas.choices[better]
        prices.follow(replicas.sums)
    within = np.isfinite(least)
    replicas.choices[within] = best[within]
    sum_up(model, replicas, workspace)
    for share in np.linspace(1.0, 0.0, _FILLING):
        if over():
            break
        workspace.prices[:] = share * prices.signed
        sweep_at_prices(model, replicas, FROZEN / coldest, workspace, FILLING)
    sum_up(model, replicas, workspace)


class _Prices:
    """What every replica pays per unit of a left side, >= 0 of "<=" and <= 0 of ">=".

    Args:
        model: see `anneal_at_prices`.
        scales: see there.
        hottest: temperature.
        count: of the replicas.
    """

    def __init__(self, model: ChoiceModel, scales: NDArray[np.float64], hottest: float, count: int) -> None:
        self._lowers, self._uppers = model.lowers, model.uppers
        self._signs = np.where(np.isfinite(model.uppers), 1.0, -1.0)
        self._sizes = np.tile(hottest / scales, (count, 1))
        self._steps, self._before = np.full(self._sizes.shape, _STEPS[1]), np.zeros(self._sizes.shape, bool)

    @property
    def signed(self) -> NDArray[np.float64]:
        """[replicas, constraints] prices."""
        return self._signs * self._sizes

    def broken(self, sums: NDArray[np.float64]) -> NDArray[np.bool_]:
        """[replicas, constraints] where left sides are beyond their bounds."""
        return (sums > self._uppers) | (sums < self._lowers)

    def follow(self, sums: NDArray[np.float64]) -> None:
        """Raise the prices of what is beyond its bound, and lower all others.

        Args:
            sums: [replicas, constraints] left sides.
        """
        broken = self.broken(sums)
        self._steps = np.clip(self._steps * np.where(broken == self._before, _ON, _BACK), *_STEPS)
        self._sizes = self._sizes * np.exp(np.where(broken, self._steps, -self._steps))
        self._before = broken

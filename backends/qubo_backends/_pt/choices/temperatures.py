"""Temperatures: measured on the model itself, and spaced so that neighbours exchange equally often."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from qubo_backends._pt.choices.energies import Workspace
from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.replicas import Replicas
from qubo_backends._pt.choices.sweeps import PASSES, quench, sample_changes

_TRIED = 2000
# Share of the moves that go uphill in quenched states at the coldest temperature.
_UPHILL = 0.02
# The least ratio of the hottest to the coldest temperature, for models so small that both criteria meet.
_LEAST_SPAN = 10.0
# Standard deviations of the energy between neighbours: exchanges are then taken about once in five times.
_WIDEST = 1.8
# The coldest temperature is far above this share of the hottest.
_SPAN = 1e6
# Sites whose energies are compared in both precisions, and the error that is let pass in units of the temperature.
_CHECKED, _NEGLIGIBLE = 64, 0.01


def temperature_range(
    model: ChoiceModel,
    replicas: Replicas,
    workspace: Workspace,
    *,
    thorough: bool = True,
    over: Callable[[], bool] = lambda: False,
) -> tuple[float, float]:
    """Coldest and hottest temperature, in the unit of the model.

    Hottest: half the root mean square change of energy that a move makes in random states, where two moves in three
    are then accepted. Coldest: in quenched states a move in 50 goes uphill, or of a small model one in a sweep. With
    quadratic constraints it is one in a sweep of any model: what the heat mixes up in one place sets the exchange rates
    of all others, so that a quench does not mend it.

    Args:
        model: see there.
        replicas: in random states within the constraints; they are quenched.
        workspace: for as many.
        thorough: of the quench, see there.
        over: of the quench, see there.
    """
    changes, _ = sample_changes(model, replicas, _TRIED, workspace)
    moved = np.abs(changes[np.isfinite(changes) & (changes != 0.0)])
    largest = float(moved.max(initial=0.0))
    if largest == 0.0:
        return 1.0 / _LEAST_SPAN, 1.0
    # Scaled before squaring: coefficients may be near the limits of float64.
    hot = largest / 2.0 * float(np.sqrt(np.mean((moved / largest) ** 2)))
    quench(model, replicas, hot / _SPAN, PASSES, workspace, thorough=thorough, over=over)
    changes, weight = sample_changes(model, replicas, _TRIED, workspace)
    weight /= len(changes)
    target = 1.0 if model.quadratic is not None else max(1.0, _UPHILL * sum(workspace.moves))
    gaps = changes[np.isfinite(changes) & (changes > 1e-9 * largest)]
    return _coldest_temperature(gaps, target / weight, hot, _LEAST_SPAN), hot


def _coldest_temperature(gaps: NDArray[np.float64], moves: float, hottest: float, span: float) -> float:
    """The temperature at which moves uphill are as rare as wanted.

    Args:
        gaps: [k] > 0 by how much moves raise the energy; each is made with the probability exp(-gap / temperature).
        moves: how many of them are made.
        hottest: temperature of the ladder.
        span: least ratio of the hottest to the coldest.
    """
    low, high = np.log(hottest) - 50.0, np.log(hottest / span)
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (low, middle) if np.exp(-gaps / np.exp(middle)).sum() > moves else (middle, high)
    return float(np.exp(low))


def space_temperatures(betas: NDArray[np.float64], energies: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """`count` inverse temperatures, descending, between which exchanges are equally likely.

    The chance of an exchange depends on the standard deviation of the energy times the difference d of the inverse
    temperatures, and the square of that is d times the difference of the mean energies. Means tell it sooner than
    fluctuations do, which are mostly drift while replicas still fall. The coldest temperature stays; hotter ones that
    too few replicas can bridge are given up.

    Args:
        betas: [points] descending, at least one.
        energies: [points] means at each.
        count: how many to return.
    """
    if len(betas) < 2:
        return np.full(count, betas[0])
    # In equilibrium energies rise with the temperature; what does not has not settled.
    rising = isotonic_regression(energies).x
    steps = np.sqrt(-np.diff(betas) * np.diff(rising))
    # Where energies hardly vary any spacing will do, and an even one is as good as any.
    steps = np.maximum(steps, 1e-2 * max(steps.max(), 1e-300))
    reached = np.concatenate([[0.0], np.cumsum(steps)])
    length, widest = reached[-1], _WIDEST * (count - 1)
    # In shares of the whole: lengths themselves may be too small to divide by.
    share = 1.0 if length <= widest else widest / length
    return np.interp(np.linspace(0.0, share, count), reached / length, betas)


def float32_suffices(model: ChoiceModel, choices: NDArray[np.int32], coldest: float) -> bool:
    """Return whether the errors of projections in float32, measured, are far below the coldest temperature.

    Args:
        model: see there.
        choices: [k, sites] any states.
        coldest: temperature.
    """
    if model.factor is None:
        return True
    chosen = model.firsts + choices - model.offs
    rows = np.where(choices >= model.offs, model.factor_rows[np.maximum(chosen, 0)], -1)
    exact = np.array([model.factor[each[each >= 0]].sum(axis=0, dtype=float) for each in rows])
    sites = np.unique(np.linspace(0, len(model.sizes) - 1, _CHECKED).astype(int))
    firsts, ends = model.firsts[sites], model.firsts[sites] + model.sizes[sites] - model.offs[sites]
    some = np.concatenate([model.factor_rows[first:end] for first, end in zip(firsts, ends, strict=True)])
    factor = model.factor[some[some >= 0]]
    errors = exact @ factor.T.astype(float) - exact.astype(np.float32) @ factor.T
    return float(np.abs(errors).max(initial=0.0)) <= _NEGLIGIBLE * coldest

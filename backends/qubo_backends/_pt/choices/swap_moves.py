"""Swaps of two sites' places in the equalities, by Metropolis moves that keep all constraints."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.constraint_checks import forbid_pairs
from qubo_backends._pt.choices.energies import Workspace, coupling
from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.quadratic_checks import forbid_pairs_by_slopes
from qubo_backends._pt.choices.replicas import Replicas, change, change_slopes, variable
from qubo_backends._pt.random import below, uniform
from qubo_backends._shared.jit import inner

# Of so much more energy, in units of the temperature, a move is never taken.
_NEVER = 45.0


@inner
def _options_of(model: ChoiceModel, site: int, equality: int) -> tuple[int, int]:
    """First option of a site with this equality (-1: with none), and how many there are."""
    first, off, size = model.firsts[site], model.offs[site], model.sizes[site]
    if off:
        on = model.equalities[first]
        if on == equality:
            # Both options where the variable is in no equality.
            return (0, 2) if equality < 0 else (1, 1)
        return 0, (1 if equality < 0 else 0)
    # Options stand in the order of their equalities, and most often one for each.
    if 0 <= equality < size and model.equalities[first + equality] == equality:
        low = equality
    else:
        low, high = 0, size
        while low < high:
            middle = (low + high) // 2
            if model.equalities[first + middle] < equality:
                low = middle + 1
            else:
                high = middle
    end = low
    while end < size and model.equalities[first + end] == equality:
        end += 1
    while low > 0 and model.equalities[first + low - 1] == equality:
        low -= 1
    return low, end - low


@inner
def _swap_change(model: ChoiceModel, field: NDArray[np.float64], old: tuple[int, int], new: tuple[int, int]) -> float:
    """Change of the energy by new variables (-1: none) of two sites in place of old ones, without the low-rank form."""
    delta = 0.0
    for side in range(2):
        i, sign = (new[0], 1.0) if side == 0 else (old[0], -1.0)
        j = new[1] if side == 0 else old[1]
        if j >= 0:
            delta += sign * field[j]
        if i >= 0:
            delta += sign * field[i]
            if new[1] >= 0:
                delta += sign * coupling(model, i, new[1])
            if old[1] >= 0:
                delta -= sign * coupling(model, i, old[1])
    return delta


@inner
def _entry(model: ChoiceModel, i: int, j: int) -> float:
    return float(model.factor[model.factor_rows[i], j]) if i >= 0 and model.factor_rows[i] >= 0 else 0.0


@inner
def _projection_change(
    model: ChoiceModel, projection: NDArray[np.float64], new_a: int, new_b: int, old_a: int, old_b: int
) -> float:
    """Change of half the squared norm of a projection."""
    delta = 0.0
    for j in range(projection.size):
        step = _entry(model, new_a, j) + _entry(model, new_b, j) - _entry(model, old_a, j) - _entry(model, old_b, j)
        delta += step * (projection[j] + 0.5 * step)
    return delta


@inner
def swap(model: ChoiceModel, replicas: Replicas, a: int, b: int, workspace: Workspace, trial: bool) -> None:
    """Offer every replica that each of two sites takes the other's place in the equalities.

    See `draw_option` for the arguments.
    """
    left, right, energy = workspace.left[:1], workspace.right[:1], workspace.weights[:1]
    for r in range(replicas.energies.size):
        now_a, now_b = replicas.choices[r, a], replicas.choices[r, b]
        old_a, old_b = variable(model, a, now_a), variable(model, b, now_b)
        of_a = model.equalities[old_a] if old_a >= 0 else -1
        of_b = model.equalities[old_b] if old_b >= 0 else -1
        if of_a == of_b:
            continue
        first_a, ways_a = _options_of(model, a, of_b)
        first_b, ways_b = _options_of(model, b, of_a)
        if ways_a == 0 or ways_b == 0:
            continue
        i = first_a + (below(replicas.random, r, ways_a) if ways_a > 1 else 0)
        j = first_b + (below(replicas.random, r, ways_b) if ways_b > 1 else 0)
        if model.inequalities < model.constants.size:
            left[0], right[0], energy[0] = i, j, 0.0
            forbid_pairs(model, replicas.sums[r], (a, b), (now_a, now_b), left, right, energy, workspace.saved)
            if model.quadratic is not None:
                sums, slopes = replicas.sums[r], replicas.slopes[r]
                forbid_pairs_by_slopes(model, sums, slopes, (a, b), (now_a, now_b), left, right, energy)
            if energy[0] > 0.0:
                continue
        new_a, new_b = variable(model, a, i), variable(model, b, j)
        delta = _swap_change(model, replicas.fields[r], (old_a, old_b), (new_a, new_b))
        if model.factor is not None:
            delta += _projection_change(model, replicas.projections[r], new_a, new_b, old_a, old_b)
        if trial:
            workspace.changes[r] = delta
            continue
        x = workspace.betas[r] * delta
        if ways_a * ways_b > 1 or of_a < 0 or of_b < 0:
            # The way back is proposed with another probability.
            back = _options_of(model, a, of_a)[1] * _options_of(model, b, of_b)[1]
            x -= math.log(ways_a * ways_b / back)
        if x <= 0.0 or (x < _NEVER and uniform(replicas.random, r) < math.exp(-x)):
            replicas.energies[r] += delta
            if model.quadratic is not None:
                change_slopes(model, replicas, r, a, i)
                change_slopes(model, replicas, r, b, j)
            change(model, replicas, r, a, i)
            change(model, replicas, r, b, j)
            workspace.made[r] += 1

"""Which options keep the quadratic constraints; the energies of the others are set to infinity.

Apart from the checks of linear constraints, which have no use for slopes, and are called as often as anything.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.constraint_checks import forbid_by_weights
from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.quadratic_constraints import interaction, slope_change
from qubo_backends._shared.jit import inner


@inner
def forbid_options_by_slopes(
    model: ChoiceModel,
    sums: NDArray[np.float64],
    slopes: NDArray[np.float64],
    site: int,
    now: int,
    energies: NDArray[np.float64],
) -> None:
    """Set the energies of options that break a quadratic constraint to infinity.

    Args:
        model: see there.
        sums: [constraints] left sides of the replica.
        slopes: [entries] of the replica, see `QuadraticConstraints`.
        site: any.
        now: its present option.
        energies: [options].
    """
    quadratic, off, size = model.quadratic, model.offs[site], model.sizes[site]
    for b in range(quadratic.site_starts[site], quadratic.site_starts[site + 1]):
        c, first = quadratic.constraints[b], quadratic.firsts[b]
        rest = sums[c] - (slopes[first + now - off] if now >= off else 0.0)
        low, high = model.lowers[c] - rest, model.uppers[c] - rest
        forbid_by_weights(slopes, low, high, first, off, now, energies[:size])


@inner
def forbid_pairs_by_slopes(
    model: ChoiceModel,
    sums: NDArray[np.float64],
    slopes: NDArray[np.float64],
    sites: tuple[int, int],
    now: tuple[int, int],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    energies: NDArray[np.float64],
) -> None:
    """Set the energies of pairs of options that break a quadratic constraint to infinity.

    The blocks of either site name the constraints in ascending order. See `forbid_pairs` for the other arguments.
    """
    quadratic, none = model.quadratic, model.constants.size
    at_a, end_a = quadratic.site_starts[sites[0]], quadratic.site_starts[sites[0] + 1]
    at_b, end_b = quadratic.site_starts[sites[1]], quadratic.site_starts[sites[1] + 1]
    while at_a < end_a or at_b < end_b:
        of_a = quadratic.constraints[at_a] if at_a < end_a else none
        of_b = quadratic.constraints[at_b] if at_b < end_b else none
        c = min(of_a, of_b)
        firsts = quadratic.firsts[at_a] if of_a == c else -1, quadratic.firsts[at_b] if of_b == c else -1
        bounds = model.lowers[c] - sums[c], model.uppers[c] - sums[c]
        offs = model.offs[sites[0]], model.offs[sites[1]]
        _forbid_pairs_by_block(model, slopes, bounds, firsts, offs, now, left, right, energies)
        at_a += int(of_a == c)
        at_b += int(of_b == c)


@inner
def _forbid_pairs_by_block(
    model: ChoiceModel,
    slopes: NDArray[np.float64],
    bounds: tuple[float, float],
    firsts: tuple[int, int],
    offs: tuple[int, int],
    now: tuple[int, int],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    energies: NDArray[np.float64],
) -> None:
    """Forbid the pairs of options that change one left side by more than its bounds leave.

    Args:
        model: see there.
        slopes: [entries] of the replica.
        bounds: least and most by which the left side may change.
        firsts: entries of the first variables of both sites; -1 for one that is not in the constraint.
        offs: 1 for a free variable.
        now: present options of both sites.
        left: options of the first site.
        right: options of the second.
        energies: [left.size * right.size].
    """
    quadratic, size = model.quadratic, right.size
    now_a = now[0] - offs[0] if firsts[0] >= 0 else -1
    now_b = now[1] - offs[1] if firsts[1] >= 0 else -1
    both = interaction(quadratic, firsts[0], now_a, firsts[1], now_b)
    for p in range(left.size):
        a = left[p] - offs[0] if firsts[0] >= 0 else -1
        # Slopes hold the interactions with the present options, which leave as others come.
        mine = slope_change(slopes, firsts[0], now_a, a) + both - interaction(quadratic, firsts[0], a, firsts[1], now_b)
        for q in range(size):
            b = right[q] - offs[1] if firsts[1] >= 0 else -1
            change = mine + slope_change(slopes, firsts[1], now_b, b)
            change += interaction(quadratic, firsts[0], a, firsts[1], b)
            change -= interaction(quadratic, firsts[0], now_a, firsts[1], b)
            if not bounds[0] <= change <= bounds[1] and (left[p] != now[0] or right[q] != now[1]):
                energies[p * size + q] = math.inf

"""Compiled loops of `qubo_formulations._shared.plan_descent`.

The state is the variable `chosen[u]` of every unit u. Its interactions are kept as `fields` = Q x beside a matrix Q,
and as `total` = F' x beside a factor F with Q = F F'; the other arrays are empty then. Both are updated move by move.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Places = NDArray[np.int64]

_compiled = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})


def _descend_loop(
    own: Floats,
    matrix: Singles,
    factor: Singles,
    starts: Places,
    chosen: Places,
    fields: Floats,
    total: Floats,
    costs: Floats,
    room: Floats,
    least: float,
    relative: float,
    sweeps: int,
) -> None:
    """Let every unit in turn take its best option within the room, until none gains more than rounding errors.

    These are `least`, and `relative` times the interactions of the unit.
    """
    ranked = factor.shape[1]
    rest = np.empty(ranked, np.float32)
    for _ in range(sweeps):
        moved = False
        for unit in range(chosen.size):
            old = chosen[unit]
            for r in range(ranked):
                rest[r] = np.float32(total[r] - factor[old, r])
            best, value, present = old, np.inf, np.inf
            scale = 0.0
            for option in range(starts[unit], starts[unit + 1]):
                fits = True
                for budget in range(room.size):
                    step = costs[option, budget] - costs[old, budget]
                    fits = fits and (step <= 0.0 or step <= room[budget])
                if not fits:
                    continue
                energy = own[option]
                if matrix.size:
                    energy += fields[option] - matrix[old, option]
                if ranked:
                    product = np.float32(0.0)
                    for r in range(ranked):
                        product += factor[option, r] * rest[r]
                    energy += product
                    scale = max(scale, float(abs(product)))
                if energy < value:
                    best, value = option, energy
                if option == old:
                    present = energy
            if present - value > least + relative * scale:
                moved = True
                chosen[unit] = best
                if matrix.size:
                    for other in range(fields.size):
                        fields[other] += np.float64(matrix[best, other]) - np.float64(matrix[old, other])
                for r in range(ranked):
                    total[r] += np.float64(factor[best, r]) - np.float64(factor[old, r])
                for budget in range(room.size):
                    room[budget] -= costs[best, budget] - costs[old, budget]
        if not moved:
            return


def _exchange_loop(
    own: Floats,
    matrix: Singles,
    starts: Places,
    chosen: Places,
    fields: Floats,
    costs: Floats,
    room: Floats,
    least: float,
) -> bool:
    """Move pairs of units at once where that gains more than `least` within the room; return whether one moved."""
    moved = False
    for one in range(chosen.size):
        for option in range(starts[one], starts[one + 1]):
            old = chosen[one]
            if option == old:
                continue
            alone = own[option] - own[old] + fields[option] - matrix[old, option] - fields[old] + matrix[old, old]
            best_unit, best_option, gain = -1, -1, least
            for other in range(one + 1, chosen.size):
                their = chosen[other]
                for next_ in range(starts[other], starts[other + 1]):
                    fits = next_ != their
                    for budget in range(room.size):
                        step = costs[option, budget] - costs[old, budget] + costs[next_, budget] - costs[their, budget]
                        fits = fits and (step <= 0.0 or step <= room[budget])
                    if not fits:
                        continue
                    change = own[next_] - own[their] + fields[next_] - fields[their]
                    change += matrix[their, their] - matrix[their, next_]
                    change += matrix[option, next_] - matrix[option, their] - matrix[old, next_] + matrix[old, their]
                    if -(alone + change) > gain:
                        best_unit, best_option, gain = other, next_, -(alone + change)
            if best_unit >= 0:
                moved = True
                their = chosen[best_unit]
                chosen[one], chosen[best_unit] = option, best_option
                for place in range(fields.size):
                    fields[place] += np.float64(matrix[option, place]) - np.float64(matrix[old, place])
                    fields[place] += np.float64(matrix[best_option, place]) - np.float64(matrix[their, place])
                for budget in range(room.size):
                    room[budget] -= costs[option, budget] - costs[old, budget]
                    room[budget] -= costs[best_option, budget] - costs[their, budget]
    return moved


descend = _compiled(_descend_loop)
exchange = _compiled(_exchange_loop)

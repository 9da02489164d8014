"""Compiled loops of `qubo_formulations._shared.plan_descent`.

The state is the variable `chosen[u]` of every unit u. Its interactions are kept as `fields` = Q x beside a matrix Q,
and as `total` = F' x beside a factor F with Q = F F'; the other arrays are empty then. `kept` holds the values of the
linear forms of the products. All are updated move by move.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qubo_formulations._shared.plan_budgets import Products

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Places = NDArray[np.int64]

_compiled = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})


def _product_steps_loop(products: Products, kept: Floats, moved: Floats, old: int, new: int, steps: Floats) -> None:
    """Write to `steps`, [budgets], how products change if a unit moves from one variable to another.

    `moved`, [forms], is zero before and after.
    """
    steps[:] = 0.0
    for variable, sign in ((old, -1.0), (new, 1.0)):
        for entry in range(products.starts[variable], products.starts[variable + 1]):
            moved[products.forms[entry]] += sign * products.coefficients[entry]
    for variable in (old, new):
        for entry in range(products.starts[variable], products.starts[variable + 1]):
            product = products.forms[entry] // 2
            one, other = 2 * product, 2 * product + 1
            change = moved[one] * (kept[other] + moved[other]) + kept[one] * moved[other]
            steps[products.budgets[product]] += products.factors[product] * change
            moved[one] = moved[other] = 0.0


_product_steps = _compiled(_product_steps_loop)


def _shift_loop(products: Products, kept: Floats, old: int, new: int) -> None:
    """Update `kept` for a unit that moves from one variable to another."""
    for variable, sign in ((old, -1.0), (new, 1.0)):
        for entry in range(products.starts[variable], products.starts[variable + 1]):
            kept[products.forms[entry]] += sign * products.coefficients[entry]


_shift = _compiled(_shift_loop)


def _descend_loop(
    own: Floats,
    matrix: Singles,
    factor: Singles,
    starts: Places,
    chosen: Places,
    fields: Floats,
    total: Floats,
    costs: Floats,
    products: Products,
    kept: Floats,
    prices: Floats,
    room: Floats,
    least: float,
    relative: float,
    sweeps: int,
) -> None:
    """Let every unit in turn take its best option within the room, until none gains more than rounding errors.

    `own` includes the price of `costs`; that of the products is added here. Rounding errors are `least`, and `relative`
    times the interactions of the unit.
    """
    ranked = factor.shape[1]
    rest = np.empty(ranked, np.float32)
    moved_forms, steps, multiplied = np.zeros(kept.size), np.zeros(room.size), products.factors.size > 0
    for _ in range(sweeps):
        moved = False
        for unit in range(chosen.size):
            old = chosen[unit]
            for r in range(ranked):
                rest[r] = np.float32(total[r] - factor[old, r])
            best, value, present = old, np.inf, np.inf
            scale = 0.0
            for option in range(starts[unit], starts[unit + 1]):
                if multiplied:
                    _product_steps(products, kept, moved_forms, old, option, steps)
                fits = True
                energy = own[option]
                for budget in range(room.size):
                    step = costs[option, budget] - costs[old, budget] + steps[budget]
                    fits = fits and (step <= 0.0 or step <= room[budget])
                    energy += prices[budget] * steps[budget]
                if not fits:
                    continue
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
                if multiplied:
                    _product_steps(products, kept, moved_forms, old, best, steps)
                    _shift(products, kept, old, best)
                for budget in range(room.size):
                    room[budget] -= costs[best, budget] - costs[old, budget] + steps[budget]
        if not moved:
            return


def _exchange_loop(
    own: Floats,
    matrix: Singles,
    starts: Places,
    chosen: Places,
    fields: Floats,
    costs: Floats,
    products: Products,
    kept: Floats,
    room: Floats,
    least: float,
) -> bool:
    """Move pairs of units at once where that gains more than `least` within the room; return whether one moved."""
    moved = False
    moved_forms, first, second = np.zeros(kept.size), np.zeros(room.size), np.zeros(room.size)
    multiplied = products.factors.size > 0
    for one in range(chosen.size):
        for option in range(starts[one], starts[one + 1]):
            old = chosen[one]
            if option == old:
                continue
            alone = own[option] - own[old] + fields[option] - matrix[old, option] - fields[old] + matrix[old, old]
            if multiplied:
                _product_steps(products, kept, moved_forms, old, option, first)
                _shift(products, kept, old, option)
            best_unit, best_option, gain = -1, -1, least
            for other in range(one + 1, chosen.size):
                their = chosen[other]
                for next_ in range(starts[other], starts[other + 1]):
                    if next_ == their:
                        continue
                    change = own[next_] - own[their] + fields[next_] - fields[their]
                    change += matrix[their, their] - matrix[their, next_]
                    change += matrix[option, next_] - matrix[option, their] - matrix[old, next_] + matrix[old, their]
                    if not -(alone + change) > gain:
                        continue
                    if multiplied:
                        _product_steps(products, kept, moved_forms, their, next_, second)
                    fits = True
                    for budget in range(room.size):
                        step = costs[option, budget] - costs[old, budget] + costs[next_, budget] - costs[their, budget]
                        step += first[budget] + second[budget]
                        fits = fits and (step <= 0.0 or step <= room[budget])
                    if fits:
                        best_unit, best_option, gain = other, next_, -(alone + change)
            if best_unit >= 0:
                moved = True
                their = chosen[best_unit]
                chosen[one], chosen[best_unit] = option, best_option
                for place in range(fields.size):
                    fields[place] += np.float64(matrix[option, place]) - np.float64(matrix[old, place])
                    fields[place] += np.float64(matrix[best_option, place]) - np.float64(matrix[their, place])
                if multiplied:
                    _product_steps(products, kept, moved_forms, their, best_option, second)
                    _shift(products, kept, their, best_option)
                for budget in range(room.size):
                    room[budget] -= costs[option, budget] - costs[old, budget] + first[budget]
                    room[budget] -= costs[best_option, budget] - costs[their, budget] + second[budget]
            elif multiplied:
                _shift(products, kept, option, old)
    return moved


descend = _compiled(_descend_loop)
exchange = _compiled(_exchange_loop)

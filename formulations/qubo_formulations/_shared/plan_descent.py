"""A quick choice of options: local descent at prices for what the budgets ration, then moves within the budgets.

At a price per unit of cost, units take their best options in turn, given those of the others. The price of a budget is
found by bisection; with several budgets, one price after the other, a few times over. From the best choice within all
budgets, single units and pairs of units then move as long as that lowers the objective within the budgets.

Source: Everett 1963, "Generalized Lagrange multiplier method".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.constraints.lagrangian import MultiplierSearch
from qubo_formulations._shared.loss_model import LossModel
from qubo_formulations._shared.plan_budgets import Products

Floats = NDArray[np.float64]

# Growth of a price until it is bracketed; times that each of several prices is found; most sweeps of one descent.
_GROWTH, _ROUNDS, _SWEEPS = 4.0, 3, 100
# Smaller gains may be rounding errors: relative to the largest bias in float64, and to products in float32.
_ROUNDING, _ROUNDING_OF_PRODUCTS = 1e-12, 1e-6
# Times that all pairs of units are gone through, and the most variables for which they are.
_EXCHANGES, _EXCHANGEABLE = 20, 8192


def quick_choice(
    model: LossModel, sizes: NDArray[np.intp], costs: Floats, limits: Floats, products: Products | None = None
) -> NDArray[np.intp] | None:
    """Return [U] the variables of a choice that is often near the best one; None if none within the limits is found.

    Args:
        model: the objective over n variables.
        sizes: [U] number of variables of every unit, in their order.
        costs: [n, B] cost of every variable in every budget.
        limits: [B] largest sums of the costs and products.
        products: products in the budgets; None: there are none.

    Example:
        >>> matrix = np.array([[4, 0, 3, 0], [0, 0, 0, 0], [3, 0, 9, 0], [0, 0, 0, 0]], np.float32)
        >>> model = LossModel(linear=np.zeros(4), offset=0.0, matrix=matrix)
        >>> sizes, costs = np.array([2, 2]), np.array([[1.0], [2.0], [1.0], [3.0]])
        >>> quick_choice(model, sizes, costs, np.array([4.0])).tolist()
        [0, 3]
    """
    search = _Descent(model, sizes, costs, limits, Products.none(len(costs)) if products is None else products)
    search.ration()
    if search.best is None:
        return None
    search.improve()
    return search.chosen


class _Descent:
    """A choice that moves; see `quick_choice`.

    Attributes:
        chosen: [U] variable of every unit; at first the last one.
        best: the best choice within all limits so far, with its arrays and its value; None if there is none.
    """

    def __init__(
        self, model: LossModel, sizes: NDArray[np.intp], costs: Floats, limits: Floats, products: Products
    ) -> None:
        count = len(model.linear)
        # Broadcast matrices and factors of Fortran order are copied, for the compiled code.
        self._matrix = np.ascontiguousarray(np.zeros((0, 0)) if model.matrix is None else model.matrix, np.float32)
        self._factor = np.ascontiguousarray(np.zeros((0, 0)) if model.factor is None else model.factor, np.float32)
        self._linear, self._costs, self._limits = model.linear, np.ascontiguousarray(costs, np.float64), limits
        squares = np.zeros(count)
        if model.matrix is not None:
            squares = np.diagonal(model.matrix).astype(float)
        elif model.factor is not None:
            squares = np.einsum("ir,ir->i", model.factor, model.factor).astype(float)
        self._own = np.asarray(model.linear + squares / 2.0, float)
        self._least = _ROUNDING * float(np.abs(self._own).max(initial=0.0))
        self._starts = np.cumsum([0, *sizes], dtype=np.int64)
        self.chosen = self._starts[1:] - 1
        self._fields = np.zeros(len(self._matrix))
        self._total = np.zeros(self._factor.shape[1] if len(self._factor) else 0)
        for variable in self.chosen:
            # Row by row, because a copy of the rows of all units may not fit.
            if len(self._matrix):
                self._fields += self._matrix[variable]
            if len(self._factor):
                self._total += self._factor[variable]
        self._products, self._kept = products, products.constants.copy()
        for variable in self.chosen:
            entries = slice(*products.starts[variable : variable + 2])
            np.add.at(self._kept, products.forms[entries], products.coefficients[entries])
        self.best: tuple[float, NDArray[np.int64], Floats, Floats, Floats] | None = None

    def ration(self) -> None:
        """Descend at prices at which the choice keeps the limits; keep the best choice that does."""
        prices = np.zeros(len(self._limits))
        self._descend(prices)
        for _ in range(_ROUNDS if len(prices) > 1 else 1):
            for budget in range(len(prices)):
                prices[budget] = self._price(prices, budget)

    def improve(self) -> None:
        """Go to the best choice, and move single units and pairs of units within the limits."""
        from qubo_formulations._shared.plan_kernels import exchange

        assert self.best is not None
        _, self.chosen, self._fields, self._total, self._kept = self.best
        room = self._limits - self._used()
        for _ in range(_EXCHANGES):
            self._sweep(np.zeros(len(room)), room)
            if not 0 < len(self._matrix) <= _EXCHANGEABLE or not exchange(
                *(self._own, self._matrix, self._starts, self.chosen, self._fields, self._costs),
                *(self._products, self._kept, room, self._least),
            ):
                return

    def _price(self, prices: Floats, budget: int) -> float:
        """Return the least price of a budget at which its limit is kept, the other prices being as given."""
        prices = prices.copy()
        prices[budget] = 0.0
        if self._descend(prices)[budget]:
            return 0.0
        search, kept = MultiplierSearch(self._typical_price(budget), _GROWTH), 0.0
        while not search.settled:
            prices[budget] = search.multiplier
            met = bool(self._descend(prices)[budget])
            kept = search.multiplier if met else kept
            search.feedback(met)
        return kept or search.multiplier

    def _typical_price(self, budget: int) -> float:
        """Return the median of |change of the objective| / |change of a cost| over all moves of units by themselves."""
        present = np.repeat(self.chosen, np.diff(self._starts))
        gain = np.abs(self._own - self._own[present])
        costs = self._costs[:, budget] + self._slopes(budget)
        step = np.abs(costs - costs[present])
        moves = (gain > 0.0) & (step > 0.0)
        return float(np.median(gain[moves] / step[moves])) if moves.any() else 1.0

    def _slopes(self, budget: int) -> Floats:
        """Return [n] the slope of the products of a budget along every variable, at the present choice."""
        products = self._products
        others = np.arange(len(self._kept)) ^ 1
        slopes = np.repeat(products.factors * (products.budgets == budget), 2) * self._kept[others]
        variables = np.repeat(np.arange(len(self._costs)), np.diff(products.starts))
        sums = np.bincount(variables, slopes[products.forms] * products.coefficients, len(self._costs))
        return np.asarray(sums, float)

    def _descend(self, prices: Floats) -> NDArray[np.bool_]:
        """Descend at these prices, keep the choice if it is the best one, and return [B] which limits it keeps."""
        self._sweep(prices, np.full(len(prices), np.inf))
        met = np.asarray(self._used() <= self._limits)
        if met.all():
            value = float(self._linear[self.chosen].sum())
            if len(self._matrix):
                value += 0.5 * float(self._fields[self.chosen].sum())
            value += 0.5 * float(self._total @ self._total)
            if self.best is None or value < self.best[0]:
                self.best = value, self.chosen.copy(), self._fields.copy(), self._total.copy(), self._kept.copy()
        return met

    def _used(self) -> Floats:
        products = self._products
        values = products.factors * self._kept[0::2] * self._kept[1::2]
        of_products = np.bincount(products.budgets, values, len(self._limits))
        return np.asarray(self._costs[self.chosen].sum(axis=0) + of_products, float)

    def _sweep(self, prices: Floats, room: Floats) -> None:
        # Imported here because numba is slow to import, and formulations are listed without it.
        from qubo_formulations._shared.plan_kernels import descend

        own = self._own + self._costs @ prices
        arrays = (own, self._matrix, self._factor, self._starts, self.chosen, self._fields, self._total, self._costs)
        descend(*arrays, self._products, self._kept, prices, room, self._least, _ROUNDING_OF_PRODUCTS, _SWEEPS)

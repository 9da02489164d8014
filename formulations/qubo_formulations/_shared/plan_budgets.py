"""Budgets of a compression task over the variables of a formulation: as constraints, and as arrays for a descent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.budgets import Costs
from qubo_dnn.compression.task.cost_products import CostProduct
from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.constraint import Constraint

Floats = NDArray[np.float64]


class Products(NamedTuple):
    """Costs that are products of two linear forms over n variables.

    Product p is `factors[p]` times form 2 p times form 2 p + 1. Variable i has the coefficients at the positions
    `starts[i]` to `starts[i + 1]`, each in the form `forms` of the same position.

    Attributes:
        starts: [n + 1].
        forms, coefficients: [entries].
        constants: [2 P] value of every form if all variables are 0.
        factors: [P].
        budgets: [P] the budget that a product belongs to.
    """

    starts: NDArray[np.int64]
    forms: NDArray[np.int64]
    coefficients: Floats
    constants: Floats
    factors: Floats
    budgets: NDArray[np.int64]

    @classmethod
    def none(cls, variables: int) -> Products:
        """Return no products, over so many variables."""
        entries = np.zeros(variables + 1, np.int64), np.zeros(0, np.int64), np.zeros(0)
        return cls(*entries, np.zeros(0), np.zeros(0), np.zeros(0, np.int64))

    @classmethod
    def of(cls, budgets: Sequence[Sequence[CostProduct]], places: NDArray[np.intp]) -> Products:
        """Return the products of several budgets.

        Args:
            budgets: the products of every budget.
            places: [n] positions of the variables in the flattened [U, K] arrays of the task, which hold all places of
                the products.
        """
        products = [product for budget in budgets for product in budget]
        forms = [form for product in products for form in (product.outputs, product.inputs)]
        if not forms:
            return cls.none(len(places))
        variables = np.searchsorted(places, np.concatenate([form.places for form in forms]))
        order = np.argsort(variables, kind="stable")
        numbers = np.repeat(np.arange(len(forms)), [len(form.places) for form in forms])
        return cls(
            starts=np.searchsorted(variables[order], np.arange(len(places) + 1)).astype(np.int64),
            forms=numbers[order].astype(np.int64),
            coefficients=np.concatenate([form.coefficients for form in forms])[order],
            constants=np.array([form.constant for form in forms]),
            factors=np.array([product.factor for product in products]),
            budgets=np.repeat(np.arange(len(budgets)), [len(budget) for budget in budgets]).astype(np.int64),
        )


def usable_products(task: CompressionTask) -> list[list[CostProduct]]:
    """Return the products of every budget, without options that may not be taken."""
    return [[product.within(task.choices) for product in budget.products] for budget in task.budgets]


def budget_constraint(
    labels: Sequence[str],
    places: NDArray[np.intp],
    cost: Costs,
    overhead: float,
    limit: float,
    products: Sequence[CostProduct] = (),
) -> Constraint:
    """Return `overhead + sum of costs + sum of products <= limit`.

    Args:
        labels: [n] variables.
        places: [n] their positions in the flattened [U, K] arrays; they hold all places of the products.
        cost: [U, K] linear costs.
        overhead: constant cost.
        limit: largest total, in the unit of `cost`.
        products: products, multiplied out to as few interactions as possible.
    """
    total = np.asarray(cost, float) + sum(product.slopes(cost.shape) for product in products)
    constant = overhead + sum(each.factor * each.outputs.constant * each.inputs.constant for each in products)
    lhs = dimod.BinaryQuadraticModel(
        dict(zip(labels, total.ravel()[places].tolist(), strict=True)), {}, float(constant), dimod.BINARY
    )
    for product in products:
        rows, columns, values = product.pairs()
        one, other = (np.searchsorted(places, each).tolist() for each in (rows, columns))
        lhs.add_quadratic_from(
            (labels[i], labels[j], value) for i, j, value in zip(one, other, values.tolist(), strict=True)
        )
    return Constraint(lhs, "<=", float(limit))

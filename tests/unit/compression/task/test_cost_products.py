"""Products of linear forms against sums over all choices."""

from __future__ import annotations

from itertools import product as every

import numpy as np
import pytest
from numpy.typing import NDArray

from qubo_dnn.compression.task.budgets import TaskBudget
from qubo_dnn.compression.task.cost_products import CostProduct, LinearForm
from qubo_dnn.errors import BudgetError

SHAPE = (4, 3)


def form(constant: float, removed: dict[int, float]) -> LinearForm:
    """What stays of `constant` if units at option 0 remove some of it."""
    places = np.array([SHAPE[1] * unit for unit in removed], np.intp)
    return LinearForm(constant=constant, places=places, coefficients=-np.array([*removed.values()]), options=SHAPE[1])


def made(limit: float = 100.0) -> TaskBudget:
    """Units 0 to 2 make 4 outputs of a layer, units 2 and 3 its 5 inputs; units 0 and 1 are inputs of another one."""
    outputs, inputs = form(4, {0: 1, 1: 1, 2: 2}), form(5, {2: 2, 3: 2})
    return TaskBudget(
        name="macs",
        kind="macs",
        text="100macs",
        cost=np.array([[0.0, 1.0, 1.0]] * SHAPE[0]),
        overhead=2.0,
        limit=limit,
        scale=1.0,
        unit="multiply-accumulates",
        products=(
            CostProduct(factor=9.0, outputs=outputs, inputs=inputs),
            CostProduct(factor=2.0, outputs=form(3, {}), inputs=form(4, {0: 1, 1: 1})),
        ),
    )


def choices() -> list[NDArray[np.intp]]:
    return [np.array(choice, np.intp) for choice in every(range(SHAPE[1]), repeat=SHAPE[0])]


def by_hand(choice: NDArray[np.intp]) -> float:
    a, b, c, d = (choice == 0).tolist()
    linear = 2 + (4 - a - b - c - d)
    return float(linear + 9 * (4 - a - b - 2 * c) * (5 - 2 * c - 2 * d) + 2 * 3 * (4 - a - b))


def test_what_a_choice_uses_has_the_products() -> None:
    for choice in choices():
        assert made().used(choice) == by_hand(choice)


def test_slopes_and_pairs_are_the_polynomial_of_a_product() -> None:
    for product in made().products:
        slopes, (rows, columns, values) = product.slopes(SHAPE).ravel(), product.pairs()
        for choice in choices():
            x = np.zeros(np.prod(SHAPE))
            x[SHAPE[1] * np.arange(SHAPE[0]) + choice] = 1.0
            constant = product.factor * product.outputs.constant * product.inputs.constant
            assert constant + slopes @ x + values @ (x[rows] * x[columns]) == product.value(choice)


def test_tied_units_lose_what_they_lose_together() -> None:
    decision = np.array([1, 0, 1, 0])
    tied = made().tied(decision)
    assert [len(each.outputs.places) for each in tied.products] == [2, 0]
    for choice in every(range(SHAPE[1]), repeat=2):
        of_decisions = np.array(choice)
        assert tied.used(of_decisions) == by_hand(of_decisions[decision])


def test_a_limit_out_of_reach_names_what_can_be_reached() -> None:
    least = min(map(by_hand, choices()))
    made(least).check_reachable()
    with pytest.raises(BudgetError, match=r"100macs cannot be met .* reach 14 multiply-acc.* to 210 multiply-acc"):
        made(least - 1.0).check_reachable()


def test_options_that_may_not_be_taken_remove_nothing() -> None:
    allowed = np.ones(SHAPE, bool)
    allowed[[0, 2], 0] = False
    least = min(by_hand(choice) for choice in choices() if choice[0] and choice[2])
    made(least).check_reachable(allowed)
    with pytest.raises(BudgetError):
        made(least - 1.0).check_reachable(allowed)
    product = made().products[0].within(allowed)
    assert (product.outputs.places.tolist(), product.inputs.places.tolist()) == ([3], [9])

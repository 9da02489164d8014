"""Arrays of units added up to those of decisions."""

from __future__ import annotations

import numpy as np
import pytest

from qubo_dnn.compression.task.decision_map import DecisionMap
from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel

# Five units; the second and the fifth are tied, and so are the first and the fourth.
DECISION = np.array([0, 1, 2, 0, 1])
OPTIONS = 3


@pytest.fixture
def merge() -> DecisionMap:
    return DecisionMap(DECISION)


def test_sums_and_means_over_the_units_of_a_decision(merge: DecisionMap) -> None:
    values = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0], [5.0, 50.0]])
    assert merge.sum(values).tolist() == [[5.0, 50.0], [7.0, 70.0], [3.0, 30.0]]
    assert merge.mean(values).tolist() == [[2.5, 25.0], [3.5, 35.0], [3.0, 30.0]]
    assert merge.sum(values[:, 0]).tolist() == [5.0, 7.0, 3.0]


def test_sums_of_bits_are_exact(merge: DecisionMap) -> None:
    bits = np.full(5, 2**60 + 1, np.int64)
    assert merge.sum(bits).dtype == np.int64
    assert merge.sum(bits).tolist() == [2**61 + 2, 2**61 + 2, 2**60 + 1]


def test_all_holds_where_it_holds_for_every_unit(merge: DecisionMap) -> None:
    values = np.array([[True, True], [True, False], [False, True], [True, False], [True, True]])
    assert merge.all(values).tolist() == [[True, False], [True, False], [False, True]]


@pytest.mark.parametrize("form", ["matrix", "factor"])
def test_sensitivity_is_that_of_the_units_when_tied_ones_choose_alike(merge: DecisionMap, form: str) -> None:
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(5 * OPTIONS, 4)).astype(np.float32)
    linear = rng.normal(size=5 * OPTIONS)
    given = {"factor": factor} if form == "factor" else {"matrix": factor @ factor.T}
    measured = QuadraticLossModel(**given, linear=linear, offset=0.25)
    merged = merge.sensitivity(measured, OPTIONS)
    assert (merged.factor is None) == (form == "matrix")
    assert len(merged.linear) == 3 * OPTIONS
    for _ in range(10):
        choice = rng.integers(OPTIONS, size=3)
        decisions = np.eye(OPTIONS)[choice].ravel()
        units = np.eye(OPTIONS)[choice[DECISION]].ravel()
        assert merged.increase(decisions) == pytest.approx(measured.increase(units), rel=1e-5)


def test_without_ties_nothing_changes() -> None:
    merge = DecisionMap(np.arange(4))
    values = np.random.default_rng(0).normal(size=(4, 3))
    assert np.array_equal(merge.sum(values), values)
    assert np.array_equal(merge.mean(values), values)

"""Ranges of integers: own bounds rounded inwards, missing ones from rows."""

from __future__ import annotations

import dimod
import pytest

from qubo_dnn.encodings.integer import LARGEST, whole_range
from qubo_dnn.encodings.ranges import integer_ranges
from qubo_dnn.errors import FormulationError, UnsupportedProblemError
from qubo_dnn.models.dimod_models import problem_from_cqm


@pytest.mark.parametrize(
    ("low", "high", "whole"),
    [
        (-7.5, -2.5, (-7, -3)),
        (-0.5, 0.5, (0, 0)),
        (2, 2, (2, 2)),
        (1.5, 2.5, (2, 2)),
        (float("-inf"), -0.5, (-LARGEST, -1)),
        (-1e300, 1e300, (-LARGEST, LARGEST)),
    ],
)
def test_bounds_are_rounded_inwards(low: float, high: float, whole: tuple[int, int]) -> None:
    assert whole_range("i", low, high) == whole


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.2, 0.8), (-0.8, -0.2), (3, 2), (float("inf"), float("inf")), (float("nan"), 1), (1e300, 1e301)],
)
def test_a_range_without_an_integer_is_told_with_its_bounds(low: float, high: float) -> None:
    with pytest.raises(FormulationError, match=f"'i' is within {low:g} and {high:g}".replace("+", r"\+")):
        whole_range("i", low, high)


def test_a_model_of_dimod_has_its_integers_rounded_inwards() -> None:
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(
        dimod.Integer("i", lower_bound=-7.5, upper_bound=-2.5) + dimod.Real("r", lower_bound=1.5, upper_bound=1.5)
    )
    problem = problem_from_cqm(cqm)
    values = {problem.decode({v: k >> n & 1 for n, v in enumerate(problem.variables)}).value["i"] for k in range(8)}
    assert values == {-7, -6, -5, -4, -3}
    empty = dimod.ConstrainedQuadraticModel()
    empty.add_variable("INTEGER", "k", lower_bound=0.2, upper_bound=0.8)
    with pytest.raises(FormulationError, match=r"'k' is within 0\.2 and 0\.8"):
        problem_from_cqm(empty)


def chained() -> dimod.ConstrainedQuadraticModel:
    """A bit bounds i, i bounds j from both sides, and nothing bounds k."""
    x = dimod.Binary("x")
    i, j, k = dimod.Integer("i"), dimod.Integer("j", lower_bound=-(2**53) + 1), dimod.Integer("k")
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(i + j)
    cqm.add_constraint(j + 2 * i <= 20.5, label="above")
    cqm.add_constraint(j - i >= -3, label="below")
    cqm.add_constraint(2 * i - 3 * x <= 8.5, label="first")
    cqm.add_constraint(k - i >= 0, label="open")
    return cqm


def test_rows_imply_bounds_one_after_the_other() -> None:
    ranges, implied = integer_ranges(chained())
    assert ranges == {"i": (0, 5), "j": (-3, 20), "k": (0, LARGEST)}
    assert implied == ["i", "j"]
    with pytest.raises(UnsupportedProblemError, match="'k' has no bounds"):
        problem_from_cqm(chained())


def test_a_row_that_no_value_meets_leaves_an_answer_that_breaks_it() -> None:
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(dimod.Integer("i", lower_bound=2))
    cqm.add_constraint(dimod.Integer("i", lower_bound=2) <= 1.5, label="low")
    decoded = problem_from_cqm(cqm).decode({})
    assert (decoded.value, dict(decoded.violations)) == ({"i": 2}, {"low": 0.5})


def test_fractional_coefficients_and_open_ends_imply_exact_bounds() -> None:
    i, j = dimod.Integer("i"), dimod.Integer("j", lower_bound=-(2**53) + 1, upper_bound=0)
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(i + j)
    cqm.add_constraint(0.5 * i <= 3, label="above")
    cqm.add_constraint(0.5 * j >= -2, label="below")
    assert integer_ranges(cqm) == ({"i": (0, 6), "j": (-4, 0)}, ["i", "j"])

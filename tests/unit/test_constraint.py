from __future__ import annotations

from itertools import product

import dimod
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qubo_dnn.constraint import Constraint, Sense
from qubo_dnn.errors import FormulationError

NAMES = ("a", "b", "c")
STATES = [dict(zip(NAMES, bits, strict=True)) for bits in product((0, 1), repeat=3)]


def model(
    linear: dict[str, float], quadratic: dict[tuple[str, str], float] | None = None, offset: float = 0.0
) -> dimod.BinaryQuadraticModel:
    return dimod.BinaryQuadraticModel(linear, quadratic or {}, offset, dimod.BINARY)


small = st.integers(-3, 3).map(float)


@given(st.lists(small, min_size=3, max_size=3), small, small)
def test_the_penalty_of_a_linear_equality_is_its_square(biases: list[float], offset: float, rhs: float) -> None:
    constraint = Constraint(model(dict(zip(NAMES, biases, strict=True)), offset=offset), "==", rhs)
    penalty = constraint.penalty
    assert penalty is not None
    for state in STATES:
        assert penalty.energy(state) == (constraint.lhs.energy(state) - rhs) ** 2


@given(st.lists(small, min_size=6, max_size=6), small, st.sampled_from(("<=", ">=", "==")))
def test_a_penalty_is_zero_just_where_the_constraint_holds(biases: list[float], rhs: float, sense: Sense) -> None:
    pairs = dict(zip((("a", "b"), ("a", "c"), ("b", "c")), biases[3:], strict=True))
    constraint = Constraint(model(dict(zip(NAMES, biases[:3], strict=True)), pairs), sense, rhs)
    if constraint.penalty is None:
        return
    for state in STATES:
        broken = constraint.violation(float(constraint.lhs.energy(state))) > 0
        assert bool(constraint.penalty.energy(state) > 0) == broken
        assert constraint.penalty.energy(state) >= 0


@pytest.mark.parametrize(
    ("lhs", "sense", "rhs", "expected"),
    [
        (model({}, {("a", "b"): 2.0}), "<=", 0.0, {(1, 1): 2.0}),
        (model({}, {("a", "b"): 2.0}), "==", 0.0, {(1, 1): 2.0}),
        (model({}, {("a", "b"): -2.0}, 1.0), ">=", 1.0, {(1, 1): 2.0}),
        (model({"a": -1.0, "b": 1.0}, {("a", "b"): 1.0}), "<=", -1.0, {(0, 0): 1.0, (0, 1): 2.0, (1, 1): 2.0}),
    ],
)
def test_a_left_side_that_never_passes_the_right_one_is_its_own_penalty(
    lhs: dimod.BinaryQuadraticModel, sense: Sense, rhs: float, expected: dict[tuple[int, int], float]
) -> None:
    penalty = Constraint(lhs, sense, rhs).penalty
    assert penalty is not None
    for a, b in product((0, 1), repeat=2):
        assert penalty.energy({"a": a, "b": b}) == expected.get((a, b), 0.0)


@pytest.mark.parametrize(
    ("lhs", "sense", "rhs"),
    [
        (model({"a": 1.0, "b": 2.0}), "<=", 1.0),
        (model({"a": 1.0, "b": 2.0}), ">=", 1.0),
        (model({"a": 1.0, "b": -1.0}, {("a", "b"): 1.0}), "==", 0.0),
    ],
)
def test_other_constraints_have_no_penalty(lhs: dimod.BinaryQuadraticModel, sense: Sense, rhs: float) -> None:
    assert Constraint(lhs, sense, rhs).penalty is None


def test_the_variable_whose_bias_is_not_finite_is_named() -> None:
    for name in ("b", "a"):
        with pytest.raises(FormulationError, match=f"linear bias of '{name}'"):
            Constraint(model({"b": 0.0, "a": 0.0} | {name: float("nan")}), "<=", 1.0)

from __future__ import annotations

from itertools import product
from typing import Any

import dimod
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qubo_dnn.constraint import Constraint, Sense
from qubo_dnn.encodings.names import encode_inequalities, integer_encoding
from qubo_dnn.encodings.slack import with_slack
from qubo_dnn.encodings.unbalanced import unbalanced
from qubo_dnn.errors import OptionError, UnsupportedProblemError
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve

ENCODINGS = ["lagrangian", "slack", "slack:unary", "slack:bounded-coefficient:3", "slack:one-hot", "slack:domain-wall"]


def linear(biases: dict[str, float], offset: float = 0.0) -> dimod.BinaryQuadraticModel:
    return dimod.BinaryQuadraticModel(biases, {}, offset, dimod.BINARY)


def knapsack(sense: Sense = "<=") -> Problem[Any]:
    """Values 6, 5, 4, 3 of weights 4, 3, 2, 2 and a capacity of 6: the best is 10, of the first and the third."""
    values = {"a": -6.0, "b": -5.0, "c": -4.0, "d": -3.0}
    weights, capacity = {"a": 4.0, "b": 3.0, "c": 2.0, "d": 2.0}, 6.0
    if sense == ">=":
        weights, capacity = {v: -w for v, w in weights.items()}, -capacity
    limits = {"capacity": Constraint(linear(weights), sense, capacity)}
    return Problem(
        objective=linear(values), decoder=lambda sample: {v for v in "abcd" if sample[v]}, constraints=limits
    )


@pytest.mark.parametrize("sense", ["<=", ">="])
@pytest.mark.parametrize("encoding", [*ENCODINGS, "unbalanced"])
@pytest.mark.parametrize("name", ["exact", pytest.param("pt", marks=pytest.mark.kernels), "neal"])
def test_a_knapsack_is_solved_in_every_encoding(name: str, encoding: str, sense: Sense) -> None:
    options = {"seed": 0, "num_reads": 20}
    solution = solve(knapsack(sense), get_backend(name), options, inequalities=encoding)
    assert solution.best.value == {"a", "c"}
    assert solution.best.feasible
    assert set(solution.sample) == set("abcd")


@settings(deadline=None)  # a wide range in unary has many states
@given(
    biases=st.lists(st.integers(-4, 4), min_size=3, max_size=3),
    rhs=st.integers(-6, 6),
    unit=st.sampled_from((1.0, 0.5, 0.1, 3.0)),
    sense=st.sampled_from(("<=", ">=")),
    name=st.sampled_from(("binary", "unary", "bounded-coefficient:2")),
)
def test_some_slack_meets_the_equality_just_where_the_inequality_holds(
    biases: list[int], rhs: int, unit: float, sense: Sense, name: str
) -> None:
    lhs = linear({v: unit * bias for v, bias in zip("abc", biases, strict=True)}, 0.25 * unit)
    constraint = Constraint(lhs, sense, unit * rhs)
    equality, slack = with_slack("c", constraint, integer_encoding(name))
    for bits in product((0, 1), repeat=3):
        sample = dict(zip("abc", bits, strict=True))
        holds = constraint.violation(float(lhs.energy(sample))) == 0.0
        states = (
            dict(zip(slack.coefficients, s, strict=True)) for s in product((0, 1), repeat=len(slack.coefficients))
        )
        used = dict.fromkeys(equality.lhs.variables, 0) | sample
        met = any(equality.violation(float(equality.lhs.energy(used | state))) == 0.0 for state in states)
        assert met == holds


def test_slack_needs_a_common_unit_and_a_linear_left_side() -> None:
    odd = Constraint(linear({"a": 1.0, "b": 2**0.5}), "<=", 2.0)
    with pytest.raises(UnsupportedProblemError, match=r"'c' has the coefficient 1\.41.*common unit"):
        with_slack("c", odd, integer_encoding("binary"))
    pair = dimod.BinaryQuadraticModel({"a": 1.0}, {("a", "b"): 1.0}, 0.0, dimod.BINARY)
    for encode in (lambda c: with_slack("c", c, integer_encoding("binary")), lambda c: unbalanced("c", c)):
        with pytest.raises(UnsupportedProblemError, match="'c' is quadratic"):
            encode(Constraint(pair, "<=", 1.0))


@pytest.mark.parametrize("sense", ["<=", ">="])
def test_the_unbalanced_term_is_a_parabola_of_what_is_left(sense: Sense) -> None:
    constraint = Constraint(linear({"a": 1.0, "b": 2.0, "c": -1.0}, 0.5), sense, 1.5)
    model = unbalanced("c", constraint, linear=0.96, square=0.04)
    for bits in product((0, 1), repeat=3):
        sample = dict(zip("abc", bits, strict=True))
        left = (constraint.rhs - constraint.lhs.energy(sample)) * (1 if sense == "<=" else -1)
        assert model.energy(sample) == pytest.approx(0.04 * left**2 - 0.96 * left)


def test_encoded_slack_is_a_group_or_a_constraint_of_its_own_where_the_encoding_asks_for_it() -> None:
    one_hot = encode_inequalities(knapsack(), "slack:one-hot").problem
    assert len(one_hot.one_hot["slack of capacity"]) == 7
    walls = encode_inequalities(knapsack(), "slack:domain-wall").problem
    assert set(walls.constraints) == {"capacity", "slack of capacity"}
    assert all(each.penalty is not None for each in walls.constraints.values())


def test_rounds_tell_the_weight_of_the_encoded_constraint() -> None:
    solution = solve(knapsack(), get_backend("exact"), inequalities="slack")
    assert set(solution.calls[0].weights) == {"capacity"}
    assert solution.calls[0].multipliers == {}


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(OptionError, match="did you mean 'slack'"):
        solve(knapsack(), get_backend("exact"), inequalities="slak")

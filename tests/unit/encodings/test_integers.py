from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qubo_dnn.encodings.integer import EncodedInteger
from qubo_dnn.encodings.names import integer_encoding
from qubo_dnn.errors import FormulationError, OptionError

NAMES = ["binary", "bounded-coefficient:1", "bounded-coefficient:3", "unary", "one-hot", "domain-wall"]


def values(encoded: EncodedInteger) -> list[float]:
    """Values of all valid states, sorted."""
    found = []
    for bits in product((0, 1), repeat=len(encoded.coefficients)):
        sample = dict(zip(encoded.coefficients, bits, strict=True))
        if encoded.one_hot and sum(sample[v] for v in encoded.one_hot) != 1:
            continue
        if encoded.valid and encoded.valid.violation(float(encoded.valid.lhs.energy(sample))):
            continue
        found.append(encoded.value(sample))
    return sorted(found)


@pytest.mark.parametrize("name", NAMES)
@given(low=st.integers(-20, 20), span=st.integers(0, 10))
def test_valid_states_have_all_values_of_the_range_and_no_other(name: str, low: int, span: int) -> None:
    encoded = integer_encoding(name)("x", low, low + span)
    assert set(values(encoded)) == set(range(low, low + span + 1))
    assert list(encoded.coefficients) == [f"x[{k}]" for k in range(len(encoded.coefficients))]


@pytest.mark.parametrize("name", ["one-hot", "domain-wall"])
def test_one_state_per_value(name: str) -> None:
    assert values(integer_encoding(name)("x", 2, 9)) == list(range(2, 10))


@pytest.mark.parametrize(
    ("name", "count"),
    [("binary", 10), ("bounded-coefficient:64", 21), ("unary", 1000), ("one-hot", 1001), ("domain-wall", 1000)],
)
def test_variables_of_a_range_of_a_thousand(name: str, count: int) -> None:
    assert len(integer_encoding(name)("x", 0, 1000).coefficients) == count


@given(bound=st.integers(1, 40), span=st.integers(0, 500))
def test_coefficients_stay_within_the_bound(bound: int, span: int) -> None:
    weights = list(integer_encoding(f"bounded-coefficient:{bound}")("x", 0, span).coefficients.values())
    assert sum(weights) == span
    assert all(1 <= weight <= bound for weight in weights)
    # In ascending order every coefficient is at most one more than the sum of those before: no value is left out.
    ordered = sorted(weights)
    assert all(weight <= 1 + sum(ordered[:k]) for k, weight in enumerate(ordered))


def test_the_domain_wall_counts_misplaced_ones() -> None:
    valid = integer_encoding("domain-wall")("x", 0, 3).valid
    assert valid is not None
    assert valid.penalty is not None
    expected: dict[tuple[int, ...], float] = {(0, 1, 0): 1.0, (0, 0, 1): 1.0, (1, 0, 1): 1.0, (0, 1, 1): 1.0}
    for bits in product((0, 1), repeat=3):
        assert valid.penalty.energy(dict(zip(("x[0]", "x[1]", "x[2]"), bits, strict=True))) == expected.get(bits, 0.0)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("binari", "did you mean 'binary'"),
        ("binary:3", "unknown integer encoding"),
        ("bounded-coefficient", "takes the largest coefficient"),
        ("bounded-coefficient:0", "takes the largest coefficient"),
    ],
)
def test_unknown_names_are_refused(name: str, text: str) -> None:
    with pytest.raises(OptionError, match=text):
        integer_encoding(name)


@pytest.mark.parametrize("name", NAMES)
def test_empty_ranges_are_refused(name: str) -> None:
    with pytest.raises(FormulationError, match="no integer from 1 to 0"):
        integer_encoding(name)("x", 1, 0)


@pytest.mark.parametrize("name", ["bounded-coefficient:2", "unary", "one-hot", "domain-wall"])
def test_ranges_too_wide_for_a_variable_per_value_are_refused(name: str) -> None:
    with pytest.raises(FormulationError, match="more than 100000 variables"):
        integer_encoding(name)("x", 0, 10**12)
    assert len(integer_encoding("binary")("x", 0, 10**12).coefficients) == 40

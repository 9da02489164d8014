from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import product

import dimod
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qubo_dnn.encodings.rosenberg import quadratize, sufficient_weight
from tests.drawn import drawn

Terms = dict[frozenset[Hashable], float]
LABELS = "abcdef"
polynomials = st.dictionaries(
    st.frozensets(st.sampled_from(LABELS), max_size=5), st.integers(-5, 5).map(float), max_size=8
)


def value(terms: Terms, sample: Mapping[Hashable, int]) -> float:
    return sum(coefficient for term, coefficient in terms.items() if all(sample[v] for v in term))


@given(polynomials)
def test_the_model_equals_the_polynomial_where_products_are_right(terms: Terms) -> None:
    reduced = quadratize(terms, "p")
    for bits in product((0, 1), repeat=len(LABELS)):
        sample: dict[Hashable, int] = dict(zip(LABELS, bits, strict=True))
        whole = reduced.complete(sample)
        assert reduced.model.energy({v: whole[v] for v in reduced.model.variables}) == value(terms, sample)
        if reduced.valid:
            assert reduced.valid.lhs.energy(whole) == 0.0


@given(polynomials)
def test_equal_polynomials_reduce_equally(terms: Terms) -> None:
    one, other = quadratize(terms, "p"), quadratize(dict(reversed(terms.items())), "p")
    assert one.products == other.products
    assert one.model.is_almost_equal(other.model)


@settings(max_examples=drawn(100))
@given(polynomials)
def test_no_wrong_product_pays_at_the_sufficient_weight(terms: Terms) -> None:
    reduced = quadratize(terms, "p")
    if reduced.valid is None:
        return
    penalised = reduced.model.copy()
    penalised.update(sufficient_weight(reduced.model, reduced.products) * reduced.valid.lhs)
    assume(len(penalised.variables) <= 12)
    samples = dimod.ExactSolver().sample(penalised)
    lowest = min(value(terms, dict(zip(LABELS, bits, strict=True))) for bits in product((0, 1), repeat=len(LABELS)))
    places = [samples.variables.index(variable) for variable in reduced.valid.lhs.variables]
    right = reduced.valid.lhs.energies((samples.record.sample[:, places], reduced.valid.lhs.variables)) == 0.0
    assert (samples.record.energy[right] >= lowest).all()
    assert (samples.record.energy[~right] > lowest).all()


def test_a_wrong_product_costs_one_or_three() -> None:
    reduced = quadratize({frozenset("abc"): 1.0}, "p")
    (product_of_two,) = reduced.products
    assert reduced.products[product_of_two] == ("a", "b")
    assert reduced.valid is not None
    assert reduced.valid.penalty is not None
    for a, b, w in product((0, 1), repeat=3):
        expected = 0.0 if w == a * b else 3.0 if a + b == 0 else 1.0
        assert reduced.valid.penalty.energy({"a": a, "b": b, product_of_two: w}) == expected


def test_a_shared_pair_is_substituted_once() -> None:
    terms: Terms = {frozenset("abc"): 1.0, frozenset("abd"): 1.0, frozenset("abe"): 1.0}
    assert quadratize(terms, "p").products == {"p[0]": ("a", "b")}


@pytest.mark.parametrize("terms", [{}, {frozenset(): 2.0}, {frozenset("a"): 1.0, frozenset("ab"): -1.0}])
def test_what_is_quadratic_needs_no_product(terms: Terms) -> None:
    reduced = quadratize(terms, "p")
    assert not reduced.products
    assert reduced.valid is None


def test_labels_of_several_kinds_and_beyond_nine_have_one_order() -> None:
    """x[2] comes before x[10], and a text need not be comparable with a number."""
    assert quadratize({frozenset(("x[10]", "x[2]", "x[3]")): 1.0}, "p").products == {"p[0]": ("x[2]", "x[3]")}
    mixed: Terms = {frozenset(("a", 1, ("b", 2))): 2.0}
    assert len(quadratize(mixed, "p").products) == 1

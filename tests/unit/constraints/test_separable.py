from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from qubo_dnn.arrays import Floats
from qubo_dnn.constraints import separable
from qubo_dnn.constraints.separable import Integers, is_separable, pack
from qubo_dnn.registry import get_formulation
from tests.drawn import drawn

Arrays = tuple[Floats, Integers, Floats, Floats]


def drawn_arrays(seed: int, sites: int, inequalities: int) -> Arrays:
    rng = np.random.default_rng(seed)
    starts = np.cumsum([0, *rng.integers(1, 5, sites)])
    # Few decimals, so that values and weights tie.
    weights = rng.normal(size=(inequalities, starts[-1])).round(1)
    limits = weights.mean(axis=1) * sites + rng.normal(size=inequalities) / 2
    return rng.normal(size=starts[-1]).round(seed % 3), starts, weights, limits


def all_values(energies: Floats, starts: Integers, weights: Floats, limits: Floats) -> list[float]:
    states = [list(state) for state in product(*(range(*ends) for ends in pairwise(starts.tolist())))]
    return sorted(float(energies[each].sum()) for each in states if (weights[:, each].sum(axis=1) <= limits).all())


@pytest.mark.parametrize("seed", range(drawn(40)))
@pytest.mark.parametrize("inequalities", [0, 1, 3])
def test_answers_are_the_best_of_all_choices(seed: int, inequalities: int) -> None:
    energies, starts, weights, limits = arrays = drawn_arrays(seed, 5, inequalities)
    found, expected = pack(*arrays, count=3), all_values(*arrays)
    assert found.values == pytest.approx(expected[:3], abs=1e-12)
    chosen = found.choices + starts[:-1]
    assert energies[chosen].sum(axis=1) == pytest.approx(found.values)
    assert (weights[:, chosen].sum(axis=2) <= limits[:, None] + 1e-12).all()
    assert len({tuple(each) for each in chosen.tolist()}) == len(chosen)
    assert found.optimal == bool(expected)
    if expected:
        assert expected[0] - 1e-9 < found.bound <= expected[0]


@pytest.mark.parametrize("inequalities", [1, 2])
def test_bounds_hold_where_states_are_left_out(monkeypatch: pytest.MonkeyPatch, inequalities: int) -> None:
    """Of few states and few sites."""
    monkeypatch.setattr(separable, "_STATES", 2)
    monkeypatch.setattr(separable, "_SITES", 4)
    proven = []
    for seed in range(20):
        arrays = drawn_arrays(seed, 7, inequalities)
        found, expected = pack(*arrays), all_values(*arrays)
        if expected:
            assert found.bound <= expected[0]
            assert not found.optimal or found.values[0] == pytest.approx(expected[0])
        proven.append(found.optimal)
    assert not all(proven)


def test_a_knapsack_of_many_sites_has_next_to_no_gap() -> None:
    rng = np.random.default_rng(0)
    sizes, bits = rng.integers(9, 1000, (2000, 1)).astype(float), np.array([0, 2, 3, 4, 6, 8])
    energies = sizes * np.exp(2 * rng.normal(size=(2000, 1)) - 1.2 * bits + 0.2 * rng.normal(size=(2000, 6)))
    costs = sizes * bits
    found = pack(energies.ravel(), np.arange(0, 12001, 6), costs.reshape(1, -1), np.array([2.5 * sizes.sum()]), 4)
    assert found.values[0] - found.bound < 1e-6 * found.values[0]
    assert len(found.values) == 4
    assert costs[np.arange(2000), found.choices].sum(axis=1).max() <= 2.5 * sizes.sum()


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_units_do_not_matter(scale: float) -> None:
    energies, starts, weights, limits = drawn_arrays(1, 6, 2)
    plain, scaled = (
        pack(energies, starts, weights, limits),
        pack(energies * scale, starts, weights / scale, limits / scale),
    )
    assert scaled.choices.tolist() == plain.choices.tolist()
    assert scaled.optimal


def test_what_cannot_be_met_is_not_answered() -> None:
    found = pack(np.array([1.0, 2.0]), np.array([0, 2]), np.array([[3.0, 4.0]]), np.array([2.0]))
    assert len(found.choices) == 0
    assert not found.optimal


@pytest.mark.parametrize(
    ("name", "expected"), [("knapsack", True), ("quadratic-knapsack", False), ("max-sat", False), ("max-cut", False)]
)
def test_separable_problems_are_told_from_others(name: str, expected: bool) -> None:
    assert is_separable(get_formulation(name).example(0).compile()) == expected

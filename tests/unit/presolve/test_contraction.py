"""Contraction against brute force on small models, and against closed forms on large ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from qubo_dnn.presolve.contraction import Contraction, contract
from qubo_dnn.presolve.simplification import simplify

Floats = NDArray[np.float64]
Pairs = NDArray[np.int64]


def energies(states: NDArray[np.int8], linear: Floats, pairs: Pairs, couplings: Floats, low: float) -> Floats:
    values = states * (1.0 - low) + low
    return np.asarray(values @ linear + (values[:, pairs[0]] * values[:, pairs[1]]) @ couplings)


def all_states(size: int) -> NDArray[np.int8]:
    return (np.arange(2**size)[:, None] >> np.arange(size) & 1).astype(np.int8)


def small_model(seed: int) -> tuple[Floats, Pairs, Floats, float]:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 10))
    first, second = np.triu_indices(size, 1)
    kept = rng.random(len(first)) < rng.choice([0.2, 0.5, 1.0])
    pairs = np.array([first[kept], second[kept]])
    # Whole numbers have ties, and powers of ten many dominant couplings.
    kind = seed % 3
    count = size + pairs.shape[1]
    values = rng.integers(-3, 4, count).astype(float) if kind == 0 else rng.normal(size=count)
    if kind == 1:
        values *= 10.0 ** rng.uniform(-3.0, 3.0, count)
    if rng.random() < 0.3:
        values[:size] = 0.0
    return values[:size], pairs, values[size:], float(-(seed // 3 % 2))


def test_what_is_left_has_the_optimum_of_the_whole() -> None:
    contracted = 0
    for seed in range(600):
        linear, pairs, couplings, low = small_model(seed)
        found = contract(linear, pairs, couplings, low=low)
        if found is None:
            continue
        contracted += found.size - len(found.left)
        left = all_states(len(found.left))
        whole = found.completed(left)
        np.testing.assert_array_equal(whole[:, found.left], left)
        got = energies(whole, linear, pairs, couplings, low)
        slack = found.rounding + 1e-12 * (np.abs(linear).sum() + np.abs(couplings).sum())
        told = energies(left, found.linear, found.pairs, found.couplings, low) + found.offset
        np.testing.assert_allclose(told, got, rtol=0.0, atol=slack)
        least = energies(all_states(found.size), linear, pairs, couplings, low).min()
        assert got.min() <= least + slack
    assert contracted > 1000


def test_pairs_are_told_once_and_none_is_dominant() -> None:
    rng = np.random.default_rng(1)
    pairs = np.array(np.triu_indices(60, 1))[:, rng.random(1770) < 0.1]
    linear: Floats = rng.normal(size=60) / 3.0
    couplings: Floats = rng.normal(size=(pairs.shape[1],))
    found = contract(linear, pairs, couplings, low=-1.0)
    assert found is not None
    assert 3 < len(found.left) < 60
    assert np.unique(found.pairs, axis=1).shape == found.pairs.shape
    assert (found.pairs[0] < found.pairs[1]).all()
    matrix = np.zeros((len(found.left),) * 2)
    matrix[tuple(found.pairs)] = found.couplings
    every = np.abs(np.column_stack([matrix + matrix.T, found.linear]))
    assert (2.0 * every.max(axis=1) < every.sum(axis=1)).all()


def long_range(size: int, seed: int) -> tuple[Pairs, Floats]:
    """Pairs and couplings of a chain, which fall off with the cube of the distance."""
    pairs = np.array(np.triu_indices(size, 1))
    return pairs, np.random.default_rng(seed).normal(size=pairs.shape[1]) / (pairs[1] - pairs[0]) ** 3.0


def test_a_long_range_chain_is_solved() -> None:
    pairs, couplings = long_range(14, 3)
    found = contract(np.zeros(14), pairs, couplings, low=-1.0)
    assert found is not None
    assert not len(found.left)
    least = energies(all_states(14), np.zeros(14), pairs, couplings, -1.0).min()
    assert found.offset == pytest.approx(least)
    pairs, couplings = long_range(300, 4)
    found = contract(np.zeros(300), pairs, couplings, low=-1.0)
    assert found is not None
    assert len(found.left) < 20


def test_trees_are_solved_without_tables() -> None:
    """A tree has a leaf, and a leaf follows its neighbour or its bias."""
    rng = np.random.default_rng(2)
    pairs = np.array([rng.integers(0, np.arange(1, 3000)), np.arange(1, 3000)])
    couplings = rng.normal(size=2999)
    found = contract(np.zeros(3000), pairs, couplings, low=-1.0)
    assert found is not None
    assert not len(found.left)
    assert found.offset == pytest.approx(-np.abs(couplings).sum())
    biased = simplify(rng.normal(size=3000), pairs, couplings, low=-1.0)
    assert biased is not None
    assert biased.solved
    assert [type(step) for step in biased.steps] == [Contraction]


def test_work_that_is_over_counts_as_far_as_it_went() -> None:
    pairs = np.array([np.arange(2000), np.arange(1, 2001)])
    couplings = np.random.default_rng(5).normal(size=2000)
    asked = iter([False] * 3 + [True] * 10_000)
    found = contract(np.zeros(2001), pairs, couplings, low=-1.0, over=lambda: next(asked))
    assert found is not None
    assert 0 < len(found.left) < 2001
    states = np.random.default_rng(6).integers(0, 2, (5, len(found.left))).astype(np.int8)
    got = energies(found.completed(states), np.zeros(2001), pairs, couplings, -1.0)
    told = energies(states, found.linear, found.pairs, found.couplings, -1.0) + found.offset
    np.testing.assert_allclose(told, got)


@pytest.mark.kernels
def test_a_narrow_strip_is_eliminated_as_it_is_where_contraction_widens_it() -> None:
    rng = np.random.default_rng(18)
    places = np.arange(18 * 60).reshape(60, 18)
    ends = [(places[:-1], places[1:]), (places[:, :-1], places[:, 1:])]
    pairs = np.concatenate([np.array([one.ravel(), other.ravel()]) for one, other in ends], axis=1)
    couplings: Floats = rng.normal(size=(pairs.shape[1],))
    found = simplify(np.zeros(places.size), pairs, couplings, low=-1.0)
    assert found is not None
    assert found.solved
    assert not isinstance(found.steps[0], Contraction)

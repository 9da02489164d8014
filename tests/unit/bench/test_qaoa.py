"""The benchmark judges both searches by the same exact distribution."""

from __future__ import annotations

import numpy as np
import pytest

from bench.qaoa.__main__ import quality, speed
from bench.qaoa.problems import instance
from bench.qaoa.solvers import ours, theirs


@pytest.mark.parametrize("kind", ["3-regular", "dense"])
def test_ratio_and_hit_of_known_distributions(kind: str) -> None:
    given = instance(kind, 8, 1)
    optimum = (given.energies == given.energies.min()) / (given.energies == given.energies.min()).sum()
    assert given.ratio(optimum) == pytest.approx(1.0)
    assert given.hit(optimum) == pytest.approx(1.0)
    uniform = np.full(256, 1 / 256)
    # Half of all edges are cut; couplings without fields have an energy of 0 on average.
    expected = 6 / (6 - given.energies.min()) if kind == "3-regular" else 0.0
    assert given.ratio(uniform) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("search", [ours, theirs])
def test_both_give_a_distribution_that_is_better_than_uniform(search: object) -> None:
    assert callable(search)
    given = instance("3-regular", 8, 2)
    chances = search(given, 2, 40, 0)
    assert chances.sum() == pytest.approx(1.0)
    assert given.ratio(chances) > given.ratio(np.full(256, 1 / 256)) + 0.05


def test_rows_have_both_sides() -> None:
    (row,) = quality(["dense"], [6], [1], 20, 2)
    assert len(row["ratios_ours"]) == len(row["hits_qiskit_optimization"]) == 2
    (row,) = speed(["dense"], [6], 2, 2)
    assert row["apart"] < 1e-9

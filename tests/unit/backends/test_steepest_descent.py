"""The `steepest-descent` backend ends in local minima, from starts that its seed alone decides."""

from __future__ import annotations

from collections.abc import Callable

import dimod
import numpy as np

from qubo_backends.steepest_descent import SteepestDescentBackend
from qubo_dnn.backend import make_options

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]
BACKEND = SteepestDescentBackend()


def test_every_row_is_a_local_minimum(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(20, 1)
    for sparse in (False, True):
        options = make_options(BACKEND, {"seed": 1, "num_reads": 20, "large_sparse_opt": sparse})
        found = BACKEND.sample(bqm, options)
        for row in found.data():
            for v in bqm.variables:
                flipped = dict(row.sample) | {v: 1 - row.sample[v]}
                assert bqm.energy(flipped) >= row.energy - 1e-9
        assert len(np.unique(found.record.sample, axis=0)) > 1


def test_a_time_limit_that_is_not_reached_changes_nothing(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(50, 2)
    free, limited = (
        BACKEND.sample(bqm, make_options(BACKEND, {"seed": 1, "num_reads": 20, "time_limit": limit}))
        for limit in (None, 100.0)
    )
    np.testing.assert_array_equal(free.record.sample, limited.record.sample)


def test_a_time_limit_alone_draws_many_reads_and_a_tiny_one_a_row(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(30, 2)
    assert len(BACKEND.sample(bqm, make_options(BACKEND, {"time_limit": 0.2}))) > 5
    assert len(BACKEND.sample(bqm, make_options(BACKEND, {"time_limit": 1e-6, "num_reads": 9}))) == 1

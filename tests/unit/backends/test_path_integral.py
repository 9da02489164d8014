"""The `path-integral` backend has a transverse field, and every seed reproduces."""

from __future__ import annotations

from collections.abc import Callable

import dimod
import numpy as np
import pytest

from qubo_backends.path_integral import PathIntegralBackend
from qubo_dnn.backend import make_options
from qubo_dnn.errors import OptionError

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]
BACKEND = PathIntegralBackend()


def rows(bqm: dimod.BinaryQuadraticModel, **values: object) -> np.ndarray:
    found = BACKEND.sample(bqm, make_options(BACKEND, {"num_reads": 4, "num_sweeps": 30} | values))
    return np.asarray(found.record.sample)


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32 - 1])
def test_every_seed_reproduces_even_zero(random_bqm: RandomBqm, seed: int) -> None:
    bqm = random_bqm(60, 1)
    np.testing.assert_array_equal(rows(bqm, seed=seed), rows(bqm, seed=seed))


def test_the_transverse_field_takes_part(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(60, 1)
    assert (rows(bqm, seed=1) != rows(bqm, seed=1, transverse_field="0,0")).any()
    assert (rows(bqm, seed=1) != rows(bqm, seed=1, transverse_field="2,0.5")).any()


def test_a_field_that_stays_strong_melts_the_order() -> None:
    chain = dimod.BinaryQuadraticModel({}, {(i, i + 1): -1.0 for i in range(30)}, 0.0, "SPIN")
    weak, strong = (
        BACKEND.sample(
            chain,
            make_options(
                BACKEND, {"seed": 2, "num_reads": 30, "beta_range": "0.1,3", "transverse_field": f"{field},{field}"}
            ),
        )
        for field in (0.01, 30)
    )
    assert weak.record.energy.mean() < strong.record.energy.mean() - 10


@pytest.mark.parametrize("given", ["0,1", "1,0", "-1,1", "1"])
def test_refuses_other_fields(given: str) -> None:
    with pytest.raises(OptionError, match="path-integral"):
        make_options(BACKEND, {"transverse_field": given})


def test_reports_what_it_did(random_bqm: RandomBqm) -> None:
    info = BACKEND.sample(random_bqm(4, 1), make_options(BACKEND, {"seed": 3})).info
    assert (info["seed"], info["sweeps"], info["transverse_field"]) == (3, 100, (10.0, 0.01))

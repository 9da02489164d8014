"""Random numbers are uniform, within a stream and between streams."""

from __future__ import annotations

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from qubo_backends._pt.random import below, uniform
from qubo_backends._shared.jit import compiled


@compiled
def draw(random: NDArray[np.uint64], out: NDArray[np.float64], places: NDArray[np.int64]) -> None:
    for stream in range(out.shape[0]):
        for k in range(out.shape[1]):
            out[stream, k] = uniform(random, stream)
            places[below(random, stream, places.size)] += 1


def test_random_numbers_are_uniform_and_independent() -> None:
    # Streams that are seeded alike but for one bit, and one that is seeded with zero.
    drawn, places = np.empty((3, 20_000)), np.zeros(10, np.int64)
    draw(np.array([0, 1, 2], np.uint64), drawn, places)
    for stream in drawn:
        assert scipy.stats.kstest(stream, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(stream[1:], stream[:-1])[0, 1]) < 0.03
    assert np.abs(np.corrcoef(drawn) - np.eye(3)).max() < 0.03
    assert scipy.stats.chisquare(places).pvalue > 1e-3

from __future__ import annotations

import numpy as np
import pytest

from bench.compression.scale import compiled
from bench.compression.timing import pair_passes
from bench.networks.resnet50 import random_task, resnet50_layers


def test_shapes_are_those_of_resnet50() -> None:
    layers = resnet50_layers("channel")
    convolutions = layers[:-1]
    assert len(convolutions) == 53
    assert sum(layer.channels for layer in convolutions) == 26_560
    # All 25,557,032 parameters of the network but those of BatchNorm (two per channel) and the classifier's bias.
    assert sum(layer.channels * layer.weights_per_channel for layer in layers) == 25_557_032 - 2 * 26_560 - 1000
    assert len({layer.name for layer in layers}) == 54
    assert sum(layer.units for layer in layers) == 27_560


def test_a_random_task_has_the_diagonal_of_its_errors() -> None:
    task = random_task("layer", 4000, 3.0, 0)
    assert task.cost.shape == (54, 6)
    assert task.limit == 3.0 * task.weights
    assert (np.diff(task.cost, axis=1) > 0).all()
    assert task.sensitivity is not None
    np.testing.assert_allclose(task.sensitivity.diagonal(), task.squared_error.ravel(), rtol=0.15)


@pytest.mark.parametrize(("matrix", "interactions"), [(True, 6 * 6 * 54 * 53 // 2), (False, 0)])
def test_a_problem_is_compiled(matrix: bool, interactions: int) -> None:
    size = compiled("layer", 16, matrix, 3.0, 0)
    assert (size.units, size.variables, size.interactions) == (54, 324, interactions)


@pytest.mark.parametrize(("units", "options", "passes"), [(1, 1, 2), (2, 1, 4), (2, 3, 16)])
def test_passes_of_all_pairs(units: int, options: int, passes: int) -> None:
    assert pair_passes(units, options) == passes

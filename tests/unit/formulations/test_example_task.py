from __future__ import annotations

import numpy as np

from qubo_dnn.compression.task.task import LayerShape
from qubo_formulations.example_task import example_task


def test_the_example_is_a_well_formed_task() -> None:
    task = example_task(0, (LayerShape("a", 5, 9, 2), LayerShape("b", 2, 4, 1)))
    assert task.cost.shape == task.squared_error.shape == (5, 3)
    assert task.sensitivity is not None
    matrix = task.sensitivity.matrix
    assert matrix is not None
    assert matrix.shape == (15, 15)
    assert np.array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix.astype(float)).min() > -1e-3
    assert (task.sensitivity.offset, set(task.sensitivity.linear.tolist())) == (0.0, {0.0})
    assert task.cost[:3, -1].tolist() == [72, 72, 36]
    task.check_reachable()


def test_the_seed_decides() -> None:
    one, same, other = example_task(1), example_task(1), example_task(2)
    assert np.array_equal(one.squared_error, same.squared_error)
    assert not np.array_equal(one.squared_error, other.squared_error)

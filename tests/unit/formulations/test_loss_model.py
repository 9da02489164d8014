from __future__ import annotations

from dataclasses import replace
from itertools import product

import dimod
import numpy as np
import pytest
from numpy.typing import NDArray

from qubo_dnn.compression.task.quadratic_model import QuadraticLossModel
from qubo_dnn.errors import FormulationError
from qubo_formulations._shared import loss_model as loss_models
from qubo_formulations._shared.loss_model import LossModel, array_objective, loss_model, pyqubo_objective
from qubo_formulations.example_task import example_task


def random_matrix(units: int, options: int) -> NDArray[np.float32]:
    """Positive semidefinite, with rows and columns of zeros."""
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(units * options, 5)).astype(np.float32)
    factor[rng.random(len(factor)) < 0.2] = 0.0
    return factor @ factor.T


def random_linear(n: int) -> NDArray[np.float64]:
    return np.random.default_rng(1).normal(size=n)


def groups_of(units: int, options: int) -> dict[str, tuple[str, ...]]:
    return {f"unit {u}": tuple(f"x[{u}][{k}]" for k in range(options)) for u in range(units)}


def assert_same(one: dimod.BinaryQuadraticModel, other: dimod.BinaryQuadraticModel) -> None:
    """Biases within 1e-12 of each other, and interactions at the same places."""
    order = list(other.variables)
    ours, theirs = one.to_numpy_vectors(order, sort_indices=True), other.to_numpy_vectors(order, sort_indices=True)
    assert np.allclose(ours.linear_biases, theirs.linear_biases, rtol=0, atol=1e-12)
    assert np.array_equal(ours.quadratic.row_indices, theirs.quadratic.row_indices)
    assert np.array_equal(ours.quadratic.col_indices, theirs.quadratic.col_indices)
    assert np.allclose(ours.quadratic.biases, theirs.quadratic.biases, rtol=0, atol=1e-12)
    assert one.offset == pytest.approx(other.offset, abs=1e-12)
    assert one.vartype is other.vartype is dimod.BINARY


@pytest.mark.parametrize(("units", "options"), [(1, 1), (1, 4), (3, 1), (12, 3), (42, 6), (43, 6)])
def test_the_symbolic_sum_and_the_arrays_give_the_same_model(units: int, options: int) -> None:
    matrix, linear, groups = random_matrix(units, options), random_linear(units * options), groups_of(units, options)
    assert_same(pyqubo_objective(matrix, linear, groups), array_objective(matrix, linear, groups))


def test_groups_of_different_sizes_give_the_same_model_too() -> None:
    groups = {"a": ("p", "q", "r"), "b": ("s",), "c": ("t", "u")}
    matrix, linear = random_matrix(3, 2), random_linear(6)
    bqm = array_objective(matrix, linear, groups)
    assert_same(pyqubo_objective(matrix, linear, groups), bqm)
    # Positions of the variables: p q r | s | t u.
    assert ("p", "r") not in bqm.quadratic
    assert bqm.quadratic["q", "s"] == pytest.approx(float(matrix[1, 3]))
    assert bqm.linear["u"] == pytest.approx(linear[5] + float(matrix[5, 5]) / 2)


def test_a_matrix_of_zeros_still_has_all_variables() -> None:
    groups = groups_of(3, 2)
    for build in (pyqubo_objective, array_objective):
        bqm = build(np.zeros((6, 6), np.float32), np.zeros(6), groups)
        assert set(bqm.variables) == {v for group in groups.values() for v in group}
        assert bqm.num_interactions == 0


@pytest.mark.parametrize("form", ["matrix", "none"])
@pytest.mark.parametrize("symbolic", [True, False])
def test_the_bqm_has_the_value_of_every_choice(form: str, symbolic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of both builders made it does not show."""
    monkeypatch.setattr(loss_models, "PYQUBO_VARIABLES", 9 if symbolic else 8)
    matrix = random_matrix(3, 3)
    model = LossModel(linear=random_linear(9), offset=0.75, matrix=matrix if form == "matrix" else None)
    groups = groups_of(3, 3)
    bqm = model.bqm(groups)
    names = [name for group in groups.values() for name in group]
    for choice in product(range(3), repeat=3):
        x = np.zeros(9)
        x[[3 * u + k for u, k in enumerate(choice)]] = 1.0
        expected = 0.75 + model.linear @ x + (0.5 * x @ matrix @ x if form == "matrix" else 0.0)
        assert bqm.energy(dict(zip(names, x, strict=True))) == pytest.approx(expected, rel=1e-6)
        assert model.value(np.flatnonzero(x)) == pytest.approx(expected, rel=1e-6)


def test_a_factor_is_not_in_the_bqm_but_in_the_value() -> None:
    factor = np.random.default_rng(2).normal(size=(6, 4)).astype(np.float32)
    model = LossModel(linear=random_linear(6), offset=0.5, factor=factor)
    bqm = model.bqm(groups_of(3, 2))
    assert bqm.num_interactions == 0
    assert list(bqm.linear.values()) == model.linear.tolist()
    assert bqm.offset == 0.5
    dense = LossModel(linear=model.linear, offset=0.5, matrix=factor @ factor.T)
    chosen = np.array([0, 3, 5])
    assert model.value(chosen) == pytest.approx(dense.value(chosen), rel=1e-6)


def test_without_shrinkage_and_nonlinearity_the_model_is_the_sensitivity() -> None:
    task = example_task(4)
    assert task.sensitivity is not None
    assert task.sensitivity.matrix is not None
    task = replace(task, sensitivity=replace(task.sensitivity, linear=random_linear(15), offset=0.25))
    every = np.arange(15)
    assert task.sensitivity is not None
    plain = loss_model(task, "gauss-newton", 0.0, every)
    assert plain.matrix is not None
    assert task.sensitivity.matrix is not None
    assert np.array_equal(plain.matrix, task.sensitivity.matrix)
    assert np.array_equal(plain.linear, task.sensitivity.linear)
    assert plain.offset == 0.25
    shrunk = loss_model(task, "gauss-newton", 0.7, every)
    assert shrunk.matrix is not None
    assert not np.allclose(shrunk.matrix, plain.matrix)
    assert shrunk.offset == 0.25


def test_the_given_sensitivity_is_left_as_it_is() -> None:
    task = example_task(4)
    assert task.sensitivity is not None
    assert task.sensitivity.matrix is not None
    before = task.sensitivity.matrix.copy(), task.sensitivity.linear.copy()
    for objective in ("gauss-newton", "separable", "trace"):
        loss_model(task, objective, 0.5, np.arange(15)).bqm(groups_of(5, 3))
    assert np.array_equal(task.sensitivity.matrix, before[0])
    assert np.array_equal(task.sensitivity.linear, before[1])


def test_a_layer_that_no_option_changes_has_no_trace() -> None:
    """Its mean of curvature over squared error would be 0/0."""
    task = example_task(4)
    matrix, squared_error = np.zeros((15, 15), np.float32), task.squared_error.copy()
    squared_error[:3] = 0.0
    matrix[9:, 9:] = np.eye(6)
    task = replace(
        task, squared_error=squared_error, sensitivity=QuadraticLossModel(matrix=matrix, linear=np.zeros(15))
    )
    linear = loss_model(task, "trace", 0.0, np.arange(15)).linear
    assert np.array_equal(linear[:9], np.zeros(9))
    assert linear[9:].min() > 0.0


def test_a_task_that_was_not_measured_is_refused() -> None:
    with pytest.raises(FormulationError, match="no sensitivity"):
        loss_model(replace(example_task(0), sensitivity=None), "trace", 0.0, np.arange(15))

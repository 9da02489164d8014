from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.compression.methods.clado import clado, cross_layer_matrix
from bench.compression.methods.greedy import greedy
from bench.compression.methods.hawq_v3 import hawq_v3
from bench.compression.methods.knapsack import knapsack
from bench.compression.methods.mpqco import mpqco
from bench.compression.methods.paper import paper
from bench.compression.methods.random_search import random_search
from bench.compression.methods.uniform import TOLERANCE, uniform
from qubo_dnn.compression.task.options import bit_widths
from qubo_dnn.compression.task.task import CompressionTask, LayerShape
from qubo_dnn.errors import BudgetError
from qubo_formulations.example_task import example_task

Choices = list[NDArray[np.intp]]


def total(values: NDArray[np.float64], choice: NDArray[np.intp]) -> float:
    return float(values[np.arange(len(choice)), choice].sum())


def stored(task: CompressionTask, choice: NDArray[np.intp]) -> int:
    return task.stored_bits(task.plan(choice))


def wide_task(seed: int, units: int = 60, options: int = 6) -> tuple[CompressionTask, NDArray[np.float64]]:
    """A task of many units, and damages that fall with the bits, though not everywhere."""
    rng = np.random.default_rng(seed)
    shapes = (LayerShape("only", units, 10, 1),)
    cost = np.sort(rng.integers(0, 1000, (units, options)), axis=1)
    damage = np.sort(rng.exponential(size=(units, options)), axis=1)[:, ::-1] + 0.05 * rng.random((units, options))
    task = CompressionTask(
        layers=shapes,
        options=bit_widths(*range(options)),
        cost=cost,
        overhead=5,
        limit=5 + 0.4 * float(cost[:, -1].sum()),
        mean_magnitude=np.ones(units),
        squared_error=damage,
        sensitivity=None,
    )
    return task, damage


def exact_by_dynamic_programming(task: CompressionTask, damage: NDArray[np.float64]) -> float:
    """Least damage of any choice within the limit."""
    room = int(task.limit) - task.overhead
    least = np.zeros(room + 1)
    for costs, damages in zip(task.cost, damage, strict=True):
        following = np.full(room + 1, np.inf)
        for cost, each in zip(costs, damages, strict=True):
            if cost <= room:
                following[cost:] = np.minimum(following[cost:], least[: room + 1 - cost] + each)
        least = following
    return float(least[room])


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_the_knapsack_is_the_least_of_all_choices(task: CompressionTask, share: float) -> None:
    most = task.cost.max(axis=1).sum()
    found = knapsack(replace(task, limit=task.overhead + share * most), task.squared_error)
    assert found.damage == pytest.approx(
        exact_by_dynamic_programming(replace(task, limit=task.overhead + share * most), task.squared_error)
    )
    assert found.optimal
    assert found.damage == pytest.approx(total(task.squared_error, found.choice))
    assert stored(task, found.choice) <= task.overhead + share * most


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_the_knapsack_is_optimal_whatever_the_unit_of_the_damage(seed: int, scale: float) -> None:
    task, damage = wide_task(seed)
    found = knapsack(task, scale * damage)
    assert found.damage == pytest.approx(scale * exact_by_dynamic_programming(task, damage), rel=1e-9)
    assert found.gap < 1e-6
    assert found.bound <= found.damage * (1 + 1e-9)
    assert "optimal" in str(found)


def test_damages_below_zero_and_equal_ones_are_no_trouble(task: CompressionTask) -> None:
    assert knapsack(task, np.zeros(task.cost.shape)).damage == 0.0
    assert knapsack(task, np.full(task.cost.shape, -2.0)).damage == pytest.approx(-2.0 * len(task.cost))


def test_a_budget_out_of_reach_is_refused(task: CompressionTask) -> None:
    task = replace(task, limit=0.9 * task.overhead)
    for method in (lambda: knapsack(task, task.squared_error), lambda: greedy(task, task.squared_error)):
        with pytest.raises(BudgetError):
            method()
    with pytest.raises(BudgetError):
        uniform(task)


@pytest.mark.parametrize("seed", range(5))
def test_greedy_is_feasible_and_close_to_the_optimum(seed: int) -> None:
    task, damage = wide_task(seed)
    choice = greedy(task, damage)
    assert stored(task, choice) <= task.limit
    best = exact_by_dynamic_programming(task, damage)
    # On the convex hull greedy is optimal but for its last move, which is one unit of sixty.
    assert best <= total(damage, choice) + 1e-12
    assert total(damage, choice) <= best + damage.max()


def test_greedy_takes_the_cheapest_bit_first(task: CompressionTask) -> None:
    damage = np.zeros(task.cost.shape)
    damage[:, :-1] = 1.0
    damage[2, :-1] = 1e-6
    choice = greedy(replace(task, limit=float(task.overhead + task.cost[:, -1].sum() - 1)), damage)
    assert choice.tolist() == [2, 2, 0, 2, 2]


def test_greedy_leaves_all_at_most_bits_where_they_fit(task: CompressionTask) -> None:
    assert (greedy(replace(task, limit=1e9), task.squared_error) == 2).all()


def test_uniform_is_the_costliest_option_that_fits(task: CompressionTask) -> None:
    two_bits = task.overhead + task.cost[:, 1].sum()
    assert uniform(replace(task, limit=two_bits / (1 + TOLERANCE) + 1.0)).tolist() == [1] * 5
    assert uniform(replace(task, limit=two_bits / (1 + TOLERANCE) - 1.0)).tolist() == [0] * 5


def test_random_search_returns_the_best_of_what_it_tried(task: CompressionTask) -> None:
    tried: list[tuple[float, list[int]]] = []

    def divergence(choice: NDArray[np.intp]) -> float:
        tried.append((total(task.squared_error, choice), choice.tolist()))
        return tried[-1][0]

    choice = random_search(task, divergence, 30, 3)
    assert len(tried) == 30
    assert choice.tolist() == min(tried)[1]
    assert all(stored(task, np.array(each)) <= task.limit for _, each in tried)
    assert random_search(task, divergence, 30, 3).tolist() == choice.tolist()


def test_hawq_v3_weighs_the_squared_error_by_the_average_trace(task: CompressionTask, feasible: Choices) -> None:
    traces = np.array([30.0, 7.0])
    # The layers have 3 x 9 and 2 x 18 weights.
    weight = np.repeat(traces / [27, 36], [3, 2])[:, None]
    least = min(total(0.5 * weight * task.squared_error, choice) for choice in feasible)
    assert hawq_v3(task, traces).damage == pytest.approx(least)


def test_mpqco_is_the_least_half_diagonal(task: CompressionTask, feasible: Choices) -> None:
    diagonal = np.random.default_rng(1).exponential(size=task.cost.shape)
    least = min(0.5 * total(diagonal, choice) for choice in feasible)
    assert mpqco(task, diagonal).damage == pytest.approx(least)


def quadratic_losses(seed: int, layers: int, options: int) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Base loss, losses of all pairs, and the positive definite matrix they are made from."""
    factor = np.random.default_rng(seed).normal(size=(layers * options, 40))
    matrix = (factor @ factor.T / 40).reshape(layers, options, layers, options)
    for layer in range(layers):
        # Options of one layer never meet; a diagonal block keeps the matrix positive definite.
        matrix[layer, :, layer] = 3.0 * np.diag(np.diag(matrix[layer, :, layer]))
    single = np.einsum("imim->im", matrix)
    losses = 0.7 + 0.5 * (single[:, :, None, None] + single) + matrix
    for layer in range(layers):
        losses[layer, :, layer] = np.nan
        losses[layer, range(options), layer, range(options)] = 0.7 + 0.5 * single[layer]
    return 0.7, losses, matrix.reshape(layers * options, -1)


def test_cross_layer_matrix_undoes_the_measurement() -> None:
    base, losses, matrix = quadratic_losses(0, 4, 3)
    assert np.linalg.eigvalsh(matrix)[0] > 0.0
    np.testing.assert_allclose(cross_layer_matrix(base, losses), matrix, atol=1e-12)


def test_cross_layer_matrix_is_projected() -> None:
    base, losses, _ = quadratic_losses(0, 4, 3)
    losses[0, 0, 1, 0] += 100.0
    losses[1, 0, 0, 0] += 100.0
    assert np.linalg.eigvalsh(cross_layer_matrix(base, losses))[0] > -1e-9


@pytest.mark.parametrize("seed", range(3))
def test_clado_finds_the_least_choice(task: CompressionTask, feasible: Choices, seed: int) -> None:
    base, losses, matrix = quadratic_losses(seed, *task.cost.shape)
    costs = []
    for choice in feasible:
        x = np.zeros(task.cost.shape)
        x[np.arange(len(choice)), choice] = 1.0
        costs.append(0.5 * float(x.ravel() @ matrix @ x.ravel()))
    found = clado(task, cross_layer_matrix(base, losses), reads=8, seed=seed)
    assert found.tolist() == feasible[int(np.argmin(costs))].tolist()


def test_paper_takes_the_beta_of_least_divergence() -> None:
    layers = (LayerShape("first", 4, 90, 1), LayerShape("second", 3, 180, 1))
    task = example_task(0, layers)
    options = bit_widths(*range(9))
    task = replace(
        task,
        options=options,
        cost=np.array([[16 + 12 * (bits > 0) + n * bits for bits in range(9)] for n in [90] * 4 + [180] * 3]),
        squared_error=np.ones((7, 9)),
        limit=4.0 * task.weights,
    )
    seen = []

    def pruned(choice: NDArray[np.intp]) -> float:
        seen.append(int((choice == 0).sum()))
        return float(seen[-1])

    choice, beta = paper(task, pruned, seed=0, betas=(1e4, 1e-4))
    assert seen[0] > seen[1]
    assert beta == 1e-4
    assert int((choice == 0).sum()) == seen[1]
    assert stored(task, choice) <= task.limit

from __future__ import annotations

import numpy as np
import pytest

from bench.compression.methods.random_plans import fitted, neighbour, random_plan
from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.errors import BudgetError


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_a_random_plan_fills_its_limit(task: CompressionTask, share: float) -> None:
    limit = task.overhead + share * float(task.cost.max(axis=1).sum())
    rng = np.random.default_rng(0)
    units = np.arange(len(task.cost))
    for _ in range(20):
        choice = random_plan(task, limit, rng)
        room = limit - task.stored_bits(task.plan(choice))
        assert room >= 0
        following = task.cost[units, np.minimum(choice + 1, 2)] - task.cost[units, choice]
        assert (following[choice < 2] > room).all()


def test_plans_differ_and_a_seed_repeats_them(task: CompressionTask) -> None:
    first, again = ([random_plan(task, task.limit, rng).tolist() for _ in range(20)] for rng in _twins())
    assert first == again
    assert len({tuple(choice) for choice in first}) > 5


def _twins() -> list[np.random.Generator]:
    return [np.random.default_rng(4) for _ in range(2)]


def test_a_neighbour_changes_about_the_share_asked_for(task: CompressionTask) -> None:
    centre = np.full(5, 1, np.intp)
    limit = float(task.stored_bits(task.plan(centre)))
    rng = np.random.default_rng(0)
    moved = [int((neighbour(task, centre, 0.2, limit, rng) != centre).sum()) for _ in range(50)]
    assert 0 < np.mean(moved) < 3
    assert centre.tolist() == [1] * 5


def test_options_need_not_be_in_the_order_of_their_costs(task: CompressionTask) -> None:
    task.cost[:, [1, 2]] = task.cost[:, [2, 1]]
    choice = fitted(task, np.full(5, 1, np.intp), task.limit, np.random.default_rng(0))
    assert task.stored_bits(task.plan(choice)) <= task.limit
    assert (choice == 2).any()


def test_a_limit_out_of_reach_is_refused(task: CompressionTask) -> None:
    with pytest.raises(BudgetError, match="or fewer"):
        random_plan(task, task.overhead - 1.0, np.random.default_rng(0))

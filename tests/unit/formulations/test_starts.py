"""Starts that formulations know: feasible, and as good as the greedy method by hand."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest

from qubo_dnn.registry import get_formulation, list_formulations
from qubo_formulations._shared.schedules import good_schedule, makespan

JOBS = [[(0, 3), (1, 2), (2, 2)], [(0, 2), (2, 1), (1, 4)], [(1, 4), (2, 3)]]
DISTANCES = [[0, 4, 1, 9], [4, 0, 2, 3], [1, 2, 0, 7], [9, 3, 7, 0]]


def job_shop(jobs: Any) -> Any:
    kind: Any = get_formulation("job-shop-scheduling")
    return kind(jobs)


def decoded(name: str, **arguments: Any) -> Any:
    kind: Any = get_formulation(name)
    problem = kind(**arguments).compile()
    answer = problem.decode(problem.start)
    assert answer.feasible
    return answer


@pytest.mark.parametrize("name", list_formulations())
def test_starts_of_examples_are_feasible_and_cost_what_they_should(name: str) -> None:
    for seed in range(4):
        formulation: Any = get_formulation(name).example(seed)
        problem = formulation.compile()
        if problem.start is not None:
            answer = problem.decode(problem.start)
            assert answer.feasible
            assert answer.objective == pytest.approx(formulation.cost(answer.value))


@pytest.mark.parametrize(
    ("name", "arguments", "objective"),
    [
        ("maximum-independent-set", {"graph": nx.star_graph(5)}, 5.0),
        # Nodes 1 to 4 have two neighbours each; once node 1 is taken, node 4 has fewer left than node 3.
        ("maximum-independent-set", {"graph": nx.gnm_random_graph(6, 7, seed=59)}, 3.0),
        ("minimum-vertex-cover", {"graph": nx.star_graph(5)}, 1.0),
        ("maximum-clique", {"graph": nx.disjoint_union(nx.complete_graph(3), nx.complete_graph(4))}, 4.0),
        ("set-packing", {"sets": [[0, 1], [1, 2], [2, 3]]}, 2.0),
        # Greedily the last set and two others; the optimum is the other two alone.
        ("set-cover", {"sets": [[0, 1, 2], [3, 4, 5], [1, 2, 4, 5]]}, 3.0),
        # The last two would be worth 7.
        ("knapsack", {"values": [4, 4, 3], "weights": [1, 3, 3], "capacity": 5}, 8.0),
        ("quadratic-knapsack", {"profits": [[1, 5, 0], [5, 1, 0], [0, 0, 4]], "weights": [1] * 3, "capacity": 2}, 5.0),
        ("multi-knapsack", {"values": [6, 5, 4], "weights": [3, 2, 2], "capacities": [2, 3]}, 11.0),
        ("bin-packing", {"sizes": [3, 4, 3, 2], "capacity": 6, "bins": 3}, 2.0),
        ("graph-coloring", {"graph": nx.cycle_graph(5), "colors": 4}, 3.0),
        ("travelling-salesman", {"distances": DISTANCES}, 1.0 + 2.0 + 3.0 + 9.0),
        ("job-shop-scheduling", {"jobs": JOBS, "horizon": 14}, 11.0),
    ],
)
def test_greedy_answers_by_hand(name: str, arguments: dict[str, Any], objective: float) -> None:
    assert decoded(name, **arguments).objective == objective


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("graph-coloring", {"graph": nx.complete_graph(4), "colors": 3}),
        ("bin-packing", {"sizes": [3, 3, 3], "capacity": 4, "bins": 2}),
        ("job-shop-scheduling", {"jobs": JOBS, "horizon": 10}),
        ("quadratic-knapsack", {"profits": [[1]], "weights": [2], "capacity": 2, "exact": True}),
    ],
)
def test_there_is_no_start_where_the_greedy_answer_breaks_something(name: str, arguments: dict[str, Any]) -> None:
    kind: Any = get_formulation(name)
    assert kind(**arguments).compile().start is None


def test_exchanges_shorten_schedules_by_rules() -> None:
    """The optimum of Fisher and Thompson's 6 x 6 instance is 55; no rule alone reaches it."""
    text = """2 1 0 3 1 6 3 7 5 3 4 6 / 1 8 2 5 4 10 5 10 0 10 3 4 / 2 5 3 4 5 8 0 9 1 1 4 7 /
    1 5 0 5 2 5 3 3 4 8 5 9 / 2 9 1 3 4 5 5 4 0 3 3 1 / 1 3 3 3 5 9 0 10 4 4 2 1"""
    rows = [list(map(int, row.split())) for row in text.split("/")]
    jobs = [list(zip(row[::2], row[1::2], strict=True)) for row in rows]
    assert makespan(jobs, good_schedule(jobs)) == 55


def test_schedules_of_random_shops_are_feasible() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        jobs = [[(int(m), int(rng.integers(0, 6))) for m in rng.integers(0, 3, 4)] for _ in range(4)]
        shop = job_shop(jobs)
        assert shop.is_feasible(good_schedule(shop.jobs))


def test_job_shops_take_the_makespan_of_their_start_as_the_horizon() -> None:
    shop = job_shop(JOBS)
    assert shop.horizon == decoded("job-shop-scheduling", jobs=JOBS).objective

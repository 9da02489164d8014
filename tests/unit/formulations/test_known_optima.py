"""Instances whose optima are known from the literature or by hand, at sizes that brute force does not reach."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest

from qubo_dnn.registry import get_backend, get_formulation
from qubo_dnn.solving.solve import solve

# Values, weights and capacity of p08 of J. Burkardt's collection "knapsack_01", whose optimum is 13549094.
ITEMS = """
825594 382745 1677009 799601 1676628 909247 1523970 729069 943972 467902 97426 44328 69666 34610 1296457 698150
1679693 823460 1902996 903959 1844992 853665 1049289 551830 1252836 610856 1319836 670702 953277 488960 2067538 951111
675367 323046 853655 446298 1826027 931161 65731 31385 901489 496951 577243 264724 466257 224916 369261 169684
"""
# The job shop of OR-Tools' tutorial, whose optimal makespan is 11.
JOBS = [[(0, 3), (1, 2), (2, 2)], [(0, 2), (2, 1), (1, 4)], [(1, 4), (2, 3)]]


def solved(name: str, **arguments: Any) -> float:
    """Objective of the best answer, which has to be feasible by the formulation's own check."""
    formulation: Any = get_formulation(name)(**arguments)
    solution = solve(formulation.compile(), get_backend("pt"), {"seed": 1, "num_reads": 8})
    assert solution.best.feasible
    assert formulation.is_feasible(solution.best.value)
    assert formulation.cost(solution.best.value) == pytest.approx(solution.best.objective)
    return solution.best.objective


@pytest.mark.parametrize(
    ("name", "arguments", "optimum"),
    [
        ("max-cut", {"graph": nx.grid_2d_graph(10, 10)}, 180.0),
        ("maximum-independent-set", {"graph": nx.grid_2d_graph(8, 8)}, 32.0),
        ("minimum-vertex-cover", {"graph": nx.cycle_graph(51)}, 26.0),
        ("maximum-clique", {"graph": nx.disjoint_union(nx.complete_graph(9), nx.complete_graph(12))}, 12.0),
        ("graph-coloring", {"graph": nx.mycielski_graph(4), "colors": 5}, 4.0),
        ("graph-partitioning", {"graph": nx.grid_2d_graph(8, 8)}, 8.0),
        ("number-partitioning", {"numbers": list(range(1, 41))}, 0.0),
        ("set-cover", {"sets": [range(k, k + 5) for k in range(0, 46, 1)]}, 10.0),
        ("exact-cover", {"sets": [[k, k + 1] for k in range(19)] + [[0], [19]]}, 10.0),
        ("set-packing", {"sets": [[k, k + 1, k + 2] for k in range(28)]}, 10.0),
        ("max-sat", {"clauses": [[a, b, c] for a in (1, -1) for b in (2, -2) for c in (3, -3)]}, 1.0),
        ("bin-packing", {"sizes": [7, 3] * 5 + [5, 5], "capacity": 10, "bins": 8}, 6.0),
        pytest.param(
            *("multi-knapsack", {"values": [5] * 12, "weights": [3] * 12, "capacities": [10, 10, 4]}, 35.0),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_optima_by_hand(name: str, arguments: dict[str, Any], optimum: float) -> None:
    assert solved(name, **arguments) == pytest.approx(optimum)


def test_a_small_job_shop() -> None:
    assert solved("job-shop-scheduling", jobs=JOBS, horizon=14) == 11.0


def test_burkardt_s_knapsack_is_packed_within_a_per_cent() -> None:
    """The Lagrangian relaxation with exchanges is no exact method."""
    numbers = [int(word) for word in ITEMS.split()]
    assert solved("knapsack", values=numbers[::2], weights=numbers[1::2], capacity=6404180) >= 0.99 * 13549094


def test_duplicated_features_are_not_taken_twice() -> None:
    rng = np.random.default_rng(0)
    informative = rng.normal(size=(400, 3))
    x = np.column_stack([informative, informative, rng.normal(size=(400, 6))])
    y = (informative.sum(axis=1) > 0).astype(float)
    formulation: Any = get_formulation("feature-selection")
    chosen = solve(formulation.from_samples(x, y, 3).compile(), get_backend("pt"), {"seed": 1}).best.value
    assert sorted(feature % 3 for feature in chosen) == [0, 1, 2]
    assert max(chosen) < 6


def test_least_squares_recovers_the_bits() -> None:
    rng = np.random.default_rng(2)
    matrix, bits = rng.normal(size=(60, 40)), rng.integers(0, 2, 40)
    made: Any = get_formulation("binary-least-squares")
    assert solve(made(matrix, matrix @ bits).compile(), get_backend("pt"), {"seed": 1}).best.value == tuple(bits)

"""Problems with constraints, most of which have an optimum that is known by construction or by an exact method."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.files.tsplib_distances import euclidean
from qubo_formulations.graph_coloring import GraphColoring
from qubo_formulations.job_shop_scheduling import JobShopScheduling
from qubo_formulations.knapsack import Knapsack
from qubo_formulations.quadratic_assignment import QuadraticAssignment
from qubo_formulations.quadratic_knapsack import QuadraticKnapsack
from qubo_formulations.travelling_salesman import TravellingSalesman

Matrix = NDArray[np.float64]


def queens(size: int, colors: int) -> GraphColoring:
    """The squares of a chess board, of which those a queen's move apart differ in colour."""
    squares = list(np.ndindex(size, size))
    edges = [
        (a, b)
        for a, b in combinations(squares, 2)
        if a[0] == b[0] or a[1] == b[1] or abs(a[0] - b[0]) == abs(a[1] - b[1])
    ]
    return GraphColoring(edges, colors)


def planted_coloring(n: int, classes: int, edges: int, colors: int, seed: int) -> GraphColoring:
    """A random graph without edges inside classes of equal size, and with a clique through all of them.

    The fewest colours are therefore as many as the classes.

    Args:
        n: nodes, a multiple of `classes`.
        classes: of the planted colouring.
        edges: of the graph.
        colors: available, at least as many as classes.
        seed: of the graph.
    """
    rng = np.random.default_rng(seed)
    of = rng.permutation(np.arange(n) % classes)
    allowed = [(u, v) for u, v in combinations(range(n), 2) if of[u] != of[v]]
    clique = list(combinations([int(np.flatnonzero(of == each)[0]) for each in range(classes)], 2))
    clique = [(min(pair), max(pair)) for pair in clique]
    others = sorted(set(allowed) - set(clique))
    chosen = rng.choice(len(others), edges - len(clique), replace=False)
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from([*clique, *(others[each] for each in chosen)])
    return GraphColoring(graph, colors)


def strongly_correlated(n: int, seed: int) -> tuple[Knapsack, float]:
    """A knapsack whose values are the weights plus a constant, the hardest of the classical kinds, and its optimum.

    Source: Pisinger 2005, "Where are the hard knapsack problems?"
    """
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 1001, n)
    values = weights + 100
    capacity = int(weights.sum()) // 2
    return Knapsack(values, weights, capacity), best_filling(values, weights, capacity)


def subset_sums(n: int, seed: int) -> tuple[Knapsack, float]:
    """A knapsack whose values are the weights, all even, and whose capacity is odd; and its optimum."""
    rng = np.random.default_rng(seed)
    weights = 2 * rng.integers(1, 1001, n)
    capacity = int(weights.sum()) // 6 * 2 + 1
    return Knapsack(weights, weights, capacity), best_filling(weights, weights, capacity)


def best_filling(values: NDArray[np.int64], weights: NDArray[np.int64], capacity: int) -> float:
    """The greatest value within a capacity, by dynamic programming over all capacities up to it."""
    best = np.zeros(capacity + 1)
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        if weight <= capacity:
            best[weight:] = np.maximum(best[weight:], best[: capacity + 1 - weight] + value)
    return float(best[-1])


def quadratic_knapsack(n: int, density: int, seed: int) -> QuadraticKnapsack:
    """As Gallo, Hammer and Simeone draw them: profits up to 100 for a share of the pairs, weights up to 50.

    Args:
        n: items.
        density: of the profits, in percent.
        seed: of all numbers.
    """
    rng = np.random.default_rng(seed)
    profits = np.triu(rng.integers(1, 101, (n, n)) * (rng.random((n, n)) < density / 100))
    weights = rng.integers(1, 51, n)
    return QuadraticKnapsack(profits + np.triu(profits, 1).T, weights, int(rng.integers(50, weights.sum() + 1)))


def planted_assignment(height: int, width: int, steps: int, seed: int) -> tuple[QuadraticAssignment, float]:
    """Facilities on a grid, with taxi distances, of which one assignment is known to be the best.

    At first all flows are equal, and so are all assignments. A step moves flow from a pair to the two ways over a
    third place on a shortest path between them: the planted assignment costs as much as before, and by the triangle
    inequality no other one costs less.

    Args:
        height: of the grid.
        width: of the grid.
        steps: how often flow is moved.
        seed: of steps and planted assignment.

    Source: Li & Pardalos 1992, "Generating quadratic assignment test problems with known optimal permutations".
    """
    rng = np.random.default_rng(seed)
    places = np.array(list(np.ndindex(height, width)))
    distance = np.abs(places[:, None] - places).sum(axis=2).astype(float)
    n = len(places)
    flow = np.full((n, n), 10.0) - 10.0 * np.eye(n)
    cost = float((flow * distance).sum())
    for _ in range(steps):
        i, j = rng.choice(n, 2, replace=False)
        between = np.flatnonzero(distance[i] + distance[j] == distance[i, j])
        between = between[(between != i) & (between != j)]
        moved = min(flow[i, j], float(rng.integers(1, 6)))
        if len(between) and moved:
            k = int(rng.choice(between))
            for a, b, change in ((i, j, -moved), (i, k, moved), (k, j, moved)):
                flow[a, b] += change
                flow[b, a] += change
    order = rng.permutation(n)
    return QuadraticAssignment(flow[np.ix_(order, order)], distance), cost


def random_assignment(n: int, seed: int) -> QuadraticAssignment:
    """Symmetric flows and distances of 0 to 99, as in Taillard's instances."""
    rng = np.random.default_rng(seed)
    flow, distance = (np.triu(rng.integers(0, 100, (n, n)), 1).astype(float) for _ in range(2))
    return QuadraticAssignment(flow + flow.T, distance + distance.T)


def lattice_tour(height: int, width: int, seed: int) -> tuple[TravellingSalesman, float]:
    """Cities on a lattice of spacing 100, one side even, in random order: a tour of steps to neighbours is the best.

    Distances are rounded as in TSPLIB.
    """
    places = np.random.default_rng(seed).permutation(np.array(list(np.ndindex(height, width))))
    return TravellingSalesman(euclidean(100.0 * places)), 100.0 * len(places)


def random_tour(n: int, seed: int) -> TravellingSalesman:
    """Cities drawn from a square of side 1000."""
    return TravellingSalesman(euclidean(np.random.default_rng(seed).integers(0, 1001, (n, 2)).astype(float)))


def random_shop(jobs: int, machines: int, longest: int, seed: int) -> JobShopScheduling:
    """Jobs that visit all machines in random order, for 1 to `longest` each."""
    rng = np.random.default_rng(seed)
    return JobShopScheduling(
        [
            list(zip(rng.permutation(machines).tolist(), rng.integers(1, longest + 1, machines).tolist(), strict=True))
            for _ in range(jobs)
        ]
    )

"""The same penalised models twice: by our formulations, and in pyqubo as its documentation would write them."""

from __future__ import annotations

from collections.abc import Callable

import dimod
import numpy as np
from numpy.typing import NDArray
from pyqubo import Array, LogEncInteger

from bench import processes
from qubo_dnn.encodings.names import encode_inequalities
from qubo_formulations.knapsack import Knapsack
from qubo_formulations.quadratic_assignment import QuadraticAssignment
from qubo_formulations.travelling_salesman import TravellingSalesman

PENALTY = 100.0
Make = Callable[[int], dimod.BinaryQuadraticModel]


def distances(size: int) -> NDArray[np.float64]:
    """[size, size] integers from 1 to 99, symmetric with a zero diagonal."""
    upper = np.triu(np.random.default_rng(size).integers(1, 100, (size, size)), 1)
    return np.asarray(upper + upper.T, float)


def tsp_ours(size: int) -> dimod.BinaryQuadraticModel:
    """A tour of `size` cities, the first fixed."""
    problem = TravellingSalesman(distances(size)).compile()
    return problem.bqm(dict.fromkeys(problem.penalties, PENALTY))


def tsp_pyqubo(size: int) -> dimod.BinaryQuadraticModel:
    """The same."""
    d, n = distances(size), size - 1
    x = Array.create("x", (n, n), "BINARY")
    tour = sum(d[0, c + 1] * x[c, 0] + d[c + 1, 0] * x[c, n - 1] for c in range(n))
    tour += sum(
        d[c + 1, e + 1] * x[c, t] * x[e, t + 1] for t in range(n - 1) for c in range(n) for e in range(n) if c != e
    )
    return _with_assignment(tour, x, n)


def qap_ours(size: int) -> dimod.BinaryQuadraticModel:
    """An assignment of `size` facilities."""
    problem = QuadraticAssignment(distances(size), distances(size + 1)[:size, :size]).compile()
    return problem.bqm(dict.fromkeys(problem.penalties, PENALTY))


def qap_pyqubo(size: int) -> dimod.BinaryQuadraticModel:
    """The same."""
    flow, distance = distances(size), distances(size + 1)[:size, :size]
    x = Array.create("x", (size, size), "BINARY")
    travelled = sum(
        flow[i, j] * distance[p, q] * x[i, p] * x[j, q]
        for i in range(size)
        for j in range(size)
        for p in range(size)
        for q in range(size)
        if i != j and p != q
    )
    return _with_assignment(travelled, x, size)


def _with_assignment(objective: object, x: Array, size: int) -> dimod.BinaryQuadraticModel:
    things = sum((sum(x[i, p] for p in range(size)) - 1) ** 2 for i in range(size))
    places = sum((sum(x[i, p] for i in range(size)) - 1) ** 2 for p in range(size))
    return (objective + PENALTY * (things + places)).compile().to_bqm()


def _items(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    rng = np.random.default_rng(size)
    weights = rng.integers(1, 100, size)
    return rng.integers(1, 100, size), weights, int(weights.sum()) // 2


def knapsack_ours(size: int) -> dimod.BinaryQuadraticModel:
    """`size` items, with binary slack."""
    values, weights, capacity = _items(size)
    problem = encode_inequalities(Knapsack(values, weights, capacity).compile(), "slack:binary").problem
    return problem.bqm({"capacity": PENALTY})


def knapsack_pyqubo(size: int) -> dimod.BinaryQuadraticModel:
    """The same, with pyqubo's own integer of logarithmic encoding."""
    values, weights, capacity = _items(size)
    x = Array.create("x", size, "BINARY")
    slack = LogEncInteger("slack", (0, capacity))
    load = sum(int(weights[i]) * x[i] for i in range(size))
    value = sum(int(values[i]) * x[i] for i in range(size))
    return (-1 * value + PENALTY * (load + slack - capacity) ** 2).compile().to_bqm()


MODELS: dict[str, tuple[Make, Make, tuple[int, ...]]] = {
    "travelling-salesman": (tsp_ours, tsp_pyqubo, (30, 40, 50, 60)),
    "quadratic-assignment": (qap_ours, qap_pyqubo, (10, 15, 20)),
    "knapsack": (knapsack_ours, knapsack_pyqubo, (100, 200, 400, 800)),
}


def timed(name: str, which: int, size: int) -> tuple[float, int, int]:
    """Seconds of making a model, its variables and interactions; called in a process of its own."""
    make = MODELS[name][:2][which]
    make(4)  # imports and first calls are not the matter
    bqm, seconds = processes.timed(make, size)
    return seconds, bqm.num_variables, bqm.num_interactions

"""Compile the kernels of all local backends ahead of time: tiny problems reach them through the backends.

Numba keeps machine code beside the sources, or in `NUMBA_CACHE_DIR`, and compiles a kernel once more for every type of
its arguments. Processes that compile the same kernel at the same time may each forget what the other wrote, so a last
pass in one process compiles what is missing.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from types import MappingProxyType
from typing import Any

import dimod
import networkx as nx
import numpy as np

from qubo_dnn.backend import make_options
from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import BackendFailedError, BackendUnavailableError
from qubo_dnn.problem import LowRank, Problem
from qubo_dnn.registry import get_backend, get_formulation
from qubo_dnn.solving.solve import solve
from qubo_dnn.support.jit import compiling_here

# Whole numbers of one and of two bytes, fractions, and coefficients too far apart for float32.
_WEIGHTS = ((1.0,), (1000.0,), (1 / 3,), (1 / 3, 1e9))


def compile_kernels(processes: int) -> Iterator[tuple[int, int]]:
    """Compile all kernels that are not on disk yet.

    Args:
        processes: how many at a time.

    Yields:
        How many kinds of problem are done, and how many there are.

    Raises:
        BackendFailedError: a process failed; the message is its last line.

    Example:
        >>> progress = compile_kernels(processes=2)
        >>> next(progress)  # doctest: +SKIP
        (1, 21)
    """
    with ThreadPoolExecutor(processes) as pool:
        kinds = [pool.submit(_run, name) for name in KINDS]
        for done, kind in enumerate(as_completed(kinds), start=1):
            kind.result()
            yield done, len(kinds) + 1
    _run(*KINDS)
    yield len(KINDS) + 1, len(KINDS) + 1


def _run(*kinds: str) -> None:
    done = subprocess.run([sys.executable, "-m", __name__, *kinds], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise BackendFailedError(f"compiling the kernels of {', '.join(kinds)} failed: {lines[-1] if lines else ''}")


def _sample(model: dimod.BinaryQuadraticModel, name: str = "pt", **options: Any) -> None:
    backend = get_backend(name)
    backend.sample(model, make_options(backend, {"seed": 0, **options}))


def _spins(graph: nx.Graph) -> None:
    for weights in _WEIGHTS:
        edges = {edge: weights[place % len(weights)] for place, edge in enumerate(graph.edges)}
        _sample(dimod.BinaryQuadraticModel({}, edges, 0.0, "SPIN"), num_sweeps=20)


def _with_auxiliaries() -> nx.Graph:
    """Eight nodes that are all coupled, and further ones that are coupled to three of these each."""
    graph = nx.complete_graph(8)
    graph.add_edges_from((8 + k, (k + place) % 8) for k in range(24) for place in (0, 1, 3))
    return graph


def _conflicts() -> None:
    independent: Any = get_formulation("maximum-independent-set")
    _solve(independent(nx.random_regular_graph(4, 40, seed=0)).compile())


def _large() -> None:
    graph = nx.random_regular_graph(3, 3000, seed=0)
    _sample(dimod.BinaryQuadraticModel({}, dict.fromkeys(graph.edges, 1 / 3), 0.0, "SPIN"), num_sweeps=20)


def _eliminated() -> None:
    # Of low treewidth, and not: orders of elimination are looked for in both.
    for graph in (nx.circular_ladder_graph(30), nx.grid_2d_graph(4, 12), nx.random_regular_graph(4, 60, seed=0)):
        edges = {edge: 1.0 + place % 7 / 7 for place, edge in enumerate(graph.edges)}
        model = dimod.BinaryQuadraticModel({}, edges, 0.0, "SPIN")
        _sample(model, num_sweeps=20)
        _sample(model, num_sweeps=20, num_reads=5)


def _solve(problem: Problem[Any]) -> None:
    solve(problem, get_backend("pt"), {"num_sweeps": 20, "seed": 0}, presolve=False)


def _example(name: str) -> None:
    _solve(get_formulation(name).example(0).compile())


def _assignments() -> None:
    # Examples are too small to be searched.
    quadratic: Any = get_formulation("quadratic-assignment")
    rng = np.random.default_rng(0)
    flows, distances = rng.integers(1, 9, (2, 8, 8))
    _solve(quadratic((flows + flows.T).tolist(), (distances + distances.T).tolist()).compile())


def _partitions() -> None:
    partitioning: Any = get_formulation("graph-partitioning")
    _solve(partitioning(nx.cycle_graph(12)).compile())


def _tours() -> None:
    tour: Any = get_formulation("travelling-salesman")
    _solve(tour(np.ones((8, 8))).compile())
    _example("travelling-salesman")


def _groups(constraints: Mapping[str, Constraint] = MappingProxyType({}), forms: bool = True) -> None:
    form = LowRank(tuple(range(6)), np.ones((6, 2), np.float32))
    objective = dimod.BinaryQuadraticModel({v: 0.1 * v for v in range(6)}, {(0, 3): 0.3}, 0.0, "BINARY")
    groups = {"a": (0, 1, 2), "b": (3, 4)}
    for low_rank in (None, form) if forms else (None,):
        _solve(Problem(objective=objective, decoder=dict, one_hot=groups, constraints=constraints, low_rank=low_rank))


def _products() -> None:
    cost = dimod.BinaryQuadraticModel({5: 1.0}, {(0, 3): 2.0, (1, 4): 1.0, (2, 5): 1.0}, 0.0, "BINARY")
    _groups({"budget": Constraint(cost, "<=", 2.0)})


def _counts() -> None:
    count = dimod.BinaryQuadraticModel(dict.fromkeys((1, 4, 5), 1.0), {}, 0.0, "BINARY")
    _groups({"count": Constraint(count, "==", 1.0)}, forms=False)


def _budgets() -> None:
    formulation: Any = get_formulation("pruning-quantization")
    formulation.example(0).quick_plan()
    _example("pruning-quantization")


def _large_budgets() -> None:
    # So many interactions that they are kept in single precision.
    count = 540
    objective = dimod.BinaryQuadraticModel(np.triu(np.ones((count, count))), "BINARY")
    weight = dimod.BinaryQuadraticModel({v: v % 3 + 1.0 for v in range(count)}, {}, 0.0, "BINARY")
    _solve(
        Problem(
            objective=objective,
            decoder=dict,
            one_hot={str(v): (v, v + 1, v + 2) for v in range(0, count, 3)},
            constraints={"budget": Constraint(weight, "<=", 300.0)},
        )
    )


def _other_backends() -> None:
    model = dimod.BinaryQuadraticModel({}, {("a", "b"): 1.0, ("b", "c"): 0.5}, 0.0, "SPIN")
    for name in ("exact", "qaoa"):
        try:
            _sample(model, name)
        except BackendUnavailableError:
            continue


def _grids() -> None:
    from qubo_dnn.compression.quantization.grid import best_codes

    best_codes(np.ones((1, 64), np.float32), 2)


# Those that take longest come first.
KINDS: Mapping[str, Callable[[], None]] = {
    "budgets": _budgets,
    "budgets of products": _products,
    "large budgets": _large_budgets,
    "tours": _tours,
    "knapsacks": lambda: _example("knapsack"),
    "quadratic knapsacks": lambda: _example("quadratic-knapsack"),
    "colourings": lambda: _example("graph-coloring"),
    "assignments": _assignments,
    "partitions": _partitions,
    "one-hot groups": _groups,
    "counts": _counts,
    "sparse models": lambda: _spins(nx.random_regular_graph(3, 32, seed=0)),
    "lattices": lambda: _spins(nx.grid_2d_graph(5, 6)),
    "models with auxiliary variables": lambda: _spins(_with_auxiliaries()),
    "models of conflicts": _conflicts,
    "dense models": lambda: _spins(nx.complete_graph(32)),
    "large models": _large,
    "low treewidth": _eliminated,
    "other backends": _other_backends,
    "quantization grids": _grids,
}

if __name__ == "__main__":
    with compiling_here():
        for kind in sys.argv[1:]:
            KINDS[kind]()

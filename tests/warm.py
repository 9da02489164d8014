"""Compile all kernels of the backend `pt` onto disk: `python -m tests.warm spins` and `python -m tests.warm choices`.

Workers of one test run would compile each kernel once more each. Nothing here knows the kernels: tiny problems reach
them through the backend.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dimod
import networkx as nx
import numpy as np

from qubo_dnn.backend import make_options
from qubo_dnn.problem import LowRank, Problem
from qubo_dnn.registry import get_backend, get_formulation
from qubo_dnn.solving.solve import solve

KERNELS = Path(__file__).parents[1] / "backends" / "qubo_backends"


def marker(part: str) -> Path:
    """The file that is written when a part is compiled; `make clean` removes it, together with the kernels."""
    return KERNELS / "__pycache__" / f"compiled-{part}"


def is_cold(part: str) -> bool:
    """Whether a source was changed since a part was compiled last."""
    sources = [KERNELS / "_shared" / "jit.py", KERNELS / "parallel_tempering.py", *(KERNELS / "_pt").rglob("*.py")]
    made = marker(part)
    return not made.exists() or made.stat().st_mtime < max(source.stat().st_mtime for source in sources)


def spins() -> None:
    """Sparse and dense models, with coefficients of every type that kernels are compiled for."""
    # So small that nothing is contracted or eliminated.
    for graph in (nx.random_regular_graph(3, 32, seed=0), nx.complete_graph(32), nx.grid_2d_graph(5, 6)):
        # Whole numbers of one and of two bytes, fractions, and coefficients too far apart for float32.
        for weights in ((1.0,), (1000.0,), (1 / 3,), (1 / 3, 1e9)):
            edges = {edge: weights[place % len(weights)] for place, edge in enumerate(graph.edges)}
            _sample(dimod.BinaryQuadraticModel({}, edges, 0.0, "SPIN"))
    large = nx.random_regular_graph(3, 3000, seed=0)
    _sample(dimod.BinaryQuadraticModel({}, dict.fromkeys(large.edges, 1 / 3), 0.0, "SPIN"))


def choices() -> None:
    """Problems with constraints of every kind, and with a low-rank form.

    Not large ones, for which some kernels are compiled once more: hardly a test has one.
    """
    for name in ("graph-coloring", "quadratic-knapsack", "knapsack", "travelling-salesman", "pruning-quantization"):
        _solve(get_formulation(name).example(0).compile())
    # Examples of assignments are too small to be searched.
    tour: Any = get_formulation("travelling-salesman")
    _solve(tour(np.ones((8, 8))).compile())
    groups = {"one": (0, 1, 2), "two": (3, 4)}
    form = LowRank(tuple(range(6)), np.ones((6, 2), np.float32))
    objective = dimod.BinaryQuadraticModel({v: 0.1 * v for v in range(6)}, {(0, 3): 0.3}, 0.0, "BINARY")
    for low_rank in (None, form):
        _solve(Problem(objective=objective, decoder=dict, one_hot=groups, low_rank=low_rank))


def _sample(model: dimod.BinaryQuadraticModel) -> None:
    backend = get_backend("pt")
    backend.sample(model, make_options(backend, {"num_sweeps": 20, "seed": 0}))


def _solve(problem: Problem[Any]) -> None:
    solve(problem, get_backend("pt"), {"num_sweeps": 20, "seed": 0}, presolve=False)


PARTS: Mapping[str, Callable[[], None]] = {"spins": spins, "choices": choices}

if __name__ == "__main__":
    PARTS[sys.argv[1]]()
    # The folder is not there yet where Python is told to write no bytecode.
    marker(sys.argv[1]).parent.mkdir(exist_ok=True)
    marker(sys.argv[1]).touch()

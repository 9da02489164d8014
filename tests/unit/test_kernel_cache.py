"""Kernels that are compiled ahead of time, and those that a model needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

GROUPS = """
import json, logging
import dimod
import numpy as np
logging.basicConfig(level=logging.INFO, format="%(message)s")
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_dnn.support.jit import COMPILED, compiling_here
from qubo_backends.parallel_tempering import ParallelTemperingBackend
objective = dimod.BinaryQuadraticModel({v: 0.1 * v for v in range(9)}, {(0, 3): 0.3, (4, 8): -1.0}, 0.0, "BINARY")
problem = Problem(objective=objective, decoder=dict, one_hot={"a": (0, 1, 2), "b": (3, 4, 5), "c": (6, 7, 8)})
"""
HERE = """
with compiling_here():
    for _ in range(2):
        solve(problem, get_backend("pt"), {"num_sweeps": 5, "seed": 0}, presolve=False)
print(json.dumps(COMPILED.names))
"""
ANSWERED = """
told = []
found = solve(problem, ParallelTemperingBackend(told.append), {"num_sweeps": 5, "seed": 0}, presolve=False)
assert [each.sweeps for each in (told[0], told[-1])] == [0, 5], told
assert told[0].best_energy > found.best.objective - 1e-9, (told, found)
print(json.dumps(COMPILED.names))
"""

OTHERS = """
import json
import dimod, networkx as nx
import numpy as np
from qubo_dnn.backend import make_options
from qubo_dnn.registry import get_backend, get_formulation
from qubo_dnn.solving.solve import solve
from qubo_dnn.support.jit import COMPILED, compiling_here
compiling_here().__enter__()
names = "knapsack", "quadratic-knapsack", "graph-coloring", "quadratic-assignment", "pruning-quantization", "max-cut"
for name in names:
    solve(get_formulation(name).example(1).compile(), get_backend("pt"), {"num_sweeps": 10, "seed": 1}, presolve=False)
graph = nx.random_regular_graph(4, 60, seed=1)
for name in ("pt", "exact"):
    nodes = 60 if name == "pt" else 10
    edges = {edge: 1 / 7 for edge in graph.edges if max(edge) < nodes}
    solve_options = {"num_sweeps": 10, "seed": 1} if name == "pt" else {}
    backend = get_backend(name)
    backend.sample(dimod.BinaryQuadraticModel({}, edges, 0.0, "SPIN"), make_options(backend, solve_options))
rng = np.random.default_rng(1)
clauses = [(rng.choice((-1, 1), 3) * (1 + rng.choice(40, 3, replace=False))).tolist() for _ in range(160)]
solve(get_formulation("max-sat")(clauses).compile(), get_backend("pt"), {"num_sweeps": 10, "seed": 1})
print(json.dumps(COMPILED.names))
"""


def python(cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A run of Python whose kernels are kept in a folder."""
    own = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True, env=own)


def names(run: subprocess.CompletedProcess[str]) -> list[Any]:
    """Kernels that it compiled."""
    found: list[Any] = json.loads(run.stdout.splitlines()[-1])
    return [name.removeprefix("qubo_backends._pt.") for name in found]


@pytest.mark.slow
@pytest.mark.kernels
def test_a_model_compiles_no_kernel_of_parts_that_it_lacks_and_says_so_once(tmp_path: Path) -> None:
    first, second = python(tmp_path, "-c", GROUPS + HERE), python(tmp_path, "-c", GROUPS + HERE)
    compiled = names(first)
    assert "choices.tempering.temper" in compiled
    assert len(set(compiled)) > 5
    lacking = ("draw_pair", "swap", "_bend", "add_products", "search_chains", "search_swaps", "temper_sparse")
    assert not [name for name in compiled if name.rpartition(".")[2] in lacking]
    assert first.stderr.count("compiling kernels") == 1
    assert names(second) == []
    assert "compiling kernels" not in second.stderr


@pytest.mark.slow
@pytest.mark.kernels
def test_a_run_that_lacks_kernels_answers_before_it_compiles_them(tmp_path: Path) -> None:
    done = python(tmp_path, "-c", GROUPS + ANSWERED)
    assert names(done)
    assert "a first answer, by local search" in done.stderr
    assert done.stderr.count("compiling kernels") == 1


@pytest.mark.slow
@pytest.mark.kernels
def test_the_command_compiles_all_that_runs_of_each_kind_need(tmp_path: Path) -> None:
    done = python(tmp_path, "-m", "qubo_dnn.cli.main", "compile-kernels")
    assert str(tmp_path) in done.stdout
    assert names(python(tmp_path, "-c", OTHERS)) == []

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
from qubo_dnn.support.jit import compiling_here
from qubo_dnn.testing.backend_cases.constraints import constrained_problem
compiling_here().__enter__()
names = "knapsack", "quadratic-knapsack", "graph-coloring", "quadratic-assignment", "pruning-quantization", "max-cut"
for name in names:
    solve(get_formulation(name).example(1).compile(), get_backend("pt"), {"num_sweeps": 10, "seed": 1}, presolve=False)
for kind in sorted(get_backend("pt").capabilities.native_constraints):
    problem = constrained_problem(frozenset({kind}), seed=1)
    solve(problem, get_backend("pt"), {"num_sweeps": 10, "seed": 1}, presolve=False)
graph = nx.random_regular_graph(4, 60, seed=1)
for name in ("graph-partitioning", "maximum-independent-set"):
    solve(get_formulation(name)(graph).compile(), get_backend("pt"), {"num_sweeps": 10, "seed": 1})
for name in ("pt", "exact"):
    nodes = 60 if name == "pt" else 10
    edges = {edge: 1 / 7 for edge in graph.edges if max(edge) < nodes}
    solve_options = {"num_sweeps": 10, "seed": 1} if name == "pt" else {}
    backend = get_backend(name)
    backend.sample(dimod.BinaryQuadraticModel({}, edges, 0.0, "SPIN"), make_options(backend, solve_options))
rng = np.random.default_rng(1)
clauses = [(rng.choice((-1, 1), 3) * (1 + rng.choice(40, 3, replace=False))).tolist() for _ in range(160)]
solve(get_formulation("max-sat")(clauses).compile(), get_backend("pt"), {"num_sweeps": 10, "seed": 1})
"""
KINDS = """
from qubo_dnn.kernel_cache import KINDS
from qubo_dnn.support.jit import compiling_here
with compiling_here():
    for kind in KINDS.values():
        kind()
"""
# Kernels that a process has compiled or loaded, each with the types of its arguments.
SIGNATURES = """
import json, sys
from numba.core.registry import CPUDispatcher
modules = [module for name, module in sys.modules.items() if name.startswith(("qubo_dnn.", "qubo_backends."))]
kernels = [value for module in modules for value in vars(module).values() if isinstance(value, CPUDispatcher)]
names = {each: f"{each.py_func.__module__}.{each.py_func.__name__}" for each in kernels}
print(json.dumps([names[each] + str(signature) for each in kernels for signature in each.signatures]))
"""
GRIDS = """
import json
import numpy as np
from qubo_dnn.compression.quantization.grid import best_codes
from qubo_dnn.support.jit import COMPILED
best_codes(np.ones((3, 20), np.float32), 2)
print(json.dumps(COMPILED.names))
"""
COMMAND = """
from qubo_dnn import kernel_cache
from qubo_dnn.cli.main import main
kernel_cache.KINDS = {"quantization grids": kernel_cache.KINDS["quantization grids"]}
raise SystemExit(main(["compile-kernels"]))
"""


def python(cache: Path | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A run of Python whose kernels are kept in a folder, or where those of the tests are."""
    own = os.environ if cache is None else {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True, env=own)


def names(run: subprocess.CompletedProcess[str]) -> list[Any]:
    """Kernels that it compiled, or used."""
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


@pytest.mark.kernels
def test_the_command_keeps_what_it_compiles(tmp_path: Path) -> None:
    done = python(tmp_path, "-c", COMMAND)
    assert str(tmp_path) in done.stdout
    assert list(tmp_path.rglob("*.nbc"))
    used = python(tmp_path, "-c", GRIDS)
    assert json.loads(used.stdout) == []


@pytest.mark.slow
@pytest.mark.kernels
def test_kinds_reach_all_kernels_that_runs_of_each_kind_need() -> None:
    reached, needed = (python(None, "-c", program + SIGNATURES) for program in (KINDS, OTHERS))
    assert any(".temper(" in name for name in json.loads(needed.stdout.splitlines()[-1]))
    missing = set(names(needed)) - set(names(reached))
    assert not missing, "\n".join(sorted(missing))

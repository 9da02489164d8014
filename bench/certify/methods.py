"""Ways to prove how low the energy of a problem over one-hot groups within budgets can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from qubo_backends._shared.scip import convex_program
from qubo_dnn.backend import ConstrainedBackend, make_options
from qubo_dnn.bounds.certificate import certify
from qubo_dnn.bounds.convexify import relaxations
from qubo_dnn.bounds.site_model import site_model
from qubo_dnn.bounds.steps import steps_of
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend

_SCALE = 2**40
"""Of CP-SAT's whole numbers: the largest coefficient of the objective becomes this."""


@dataclass(frozen=True)
class Proof:
    """A bound, and what there is to say about how it came."""

    bound: float
    how: str


Method = Callable[[Problem[Any], float, float, int], Proof]


def _certify(problem: Problem[Any], energy: float, seconds: float, seed: int) -> Proof:
    found = certify(problem, energy, seconds, seed)
    return Proof(found.bound, found.method)


def _exact_milp(problem: Problem[Any], _energy: float, seconds: float, seed: int) -> Proof:
    backend = get_backend("exact-milp")
    assert isinstance(backend, ConstrainedBackend)
    found = backend.sample_constrained(problem, make_options(backend, {"time_limit": seconds, "seed": seed}))
    return Proof(found.info["bound"], f"best {found.first.energy:.8g}, {found.info['nodes']} nodes")


def _plain_scip(problem: Problem[Any], _energy: float, seconds: float, seed: int) -> Proof:
    """SCIP where the quadratic is made convex by a multiple of its rows' sums, as one would at first."""
    import pyscipopt

    relaxation = next(relaxations(site_model(problem), lambda: False))
    found = convex_program(pyscipopt, relaxation, steps_of(problem)).solve(seed, 0.0, seconds, 1)
    best = relaxation.options.energy(found.states[0])
    return Proof(found.bound, f"best {best:.8g}, {found.nodes} nodes")


class _Linear(NamedTuple):
    """`costs'v` over v >= 0, the first `binary` of which are whole, with `lower <= rows v <= upper`."""

    costs: NDArray[np.float64]
    binary: int
    rows: scipy.sparse.csr_array
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    offset: float


def _linearised(problem: Problem[Any]) -> _Linear:
    """A variable for every product of two sites' options, which sum to either option's variable (level-1 RLT)."""
    options = site_model(problem)
    n, sites = (
        len(options.linear),
        [range(a, b) for a, b in zip(options.sites.starts, options.sites.starts[1:], strict=False)],
    )
    costs = list(options.linear)
    entries: list[tuple[int, int, float]] = []
    lower: list[float] = []
    upper: list[float] = []

    def row(weights: Mapping[int, float], low: float, high: float) -> None:
        entries.extend((len(lower), column, weight) for column, weight in weights.items())
        lower.append(low)
        upper.append(high)

    for site in sites:
        row(dict.fromkeys(site, 1.0), 1.0, 1.0)
    for weights, limit, equal in zip(options.rows, options.limits, options.equal, strict=True):
        size = float(np.abs(weights).max())
        row(dict(enumerate(weights / size)), limit / size if equal else -np.inf, limit / size)
    for one, other in combinations(sites, 2):
        first = len(costs)
        costs.extend(options.matrix[i, j] for i in one for j in other)
        for a, i in enumerate(one):
            row({**{first + a * len(other) + b: 1.0 for b in range(len(other))}, i: -1.0}, 0.0, 0.0)
        for b, j in enumerate(other):
            row({**{first + a * len(other) + b: 1.0 for a in range(len(one))}, j: -1.0}, 0.0, 0.0)
    where, columns, data = zip(*entries, strict=True)
    rows = scipy.sparse.csr_array((data, (where, columns)), shape=(len(lower), len(costs)))
    return _Linear(np.array(costs), n, rows, np.array(lower), np.array(upper), options.offset)


def _highs(problem: Problem[Any], _energy: float, seconds: float, _seed: int) -> Proof:
    program = _linearised(problem)
    whole = np.arange(len(program.costs)) < program.binary
    unit = float(np.abs(program.costs).mean())
    found = milp(
        program.costs / unit,
        integrality=whole.astype(np.int8),
        bounds=Bounds(0.0, 1.0),
        constraints=LinearConstraint(program.rows, program.lower, program.upper),
        options={"time_limit": seconds, "mip_rel_gap": 0.0},
    )
    best = "none" if found.fun is None else f"{found.fun * unit + program.offset:.8g}"
    bound = getattr(found, "mip_dual_bound", None)
    nodes = getattr(found, "mip_node_count", 0)
    return Proof(-np.inf if bound is None else bound * unit + program.offset, f"best {best}, {nodes} nodes")


def _cp_sat(problem: Problem[Any], _energy: float, seconds: float, seed: int) -> Proof:
    from ortools.sat.python import cp_model

    program = _linearised(problem)
    model = cp_model.CpModel()
    x = [model.new_bool_var("") for _ in program.costs]
    rows = program.rows
    for r in range(rows.shape[0]):
        inside = slice(rows.indptr[r], rows.indptr[r + 1])
        weights = rows.data[inside]
        # Weights of budgets are whole numbers over the largest: whole again, if they were.
        factor = 1.0 if np.all(weights == np.round(weights)) else float(2**30)
        left = sum(round(w * factor) * x[c] for w, c in zip(weights, rows.indices[inside], strict=True))
        model.add(left <= int(np.floor(program.upper[r] * factor)))
        if np.isfinite(program.lower[r]):
            model.add(left >= int(np.ceil(program.lower[r] * factor)))
    unit = float(np.abs(program.costs).max()) / _SCALE
    model.minimize(sum(round(cost / unit) * v for cost, v in zip(program.costs, x, strict=True)))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds, solver.parameters.num_workers = seconds, 1
    solver.parameters.random_seed = seed
    status = solver.solve(model)
    known = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    best = f"{solver.objective_value * unit + program.offset:.8g}" if known else "none"
    return Proof(solver.best_objective_bound * unit + program.offset, f"best {best}, {solver.num_branches} branches")


METHODS: dict[str, Method] = {
    "certify": _certify,
    "exact-milp": _exact_milp,
    "SCIP, plain": _plain_scip,
    "HiGHS": _highs,
    "CP-SAT": _cp_sat,
}

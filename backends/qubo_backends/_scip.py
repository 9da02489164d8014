"""Problems over sites as programs for SCIP, and what it proves about them.

SCIP computes in floating point: a row counts as kept when it is missed by less than `_TOLERANCE` of its scale. So
bounds are lowered by ten times that share of what the objective is made of, and answers are examined again.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from qubo_dnn.backend import PROGRESS
from qubo_dnn.bounds.relaxation import Relaxation, certainly_convex
from qubo_dnn.bounds.sites import Floats, Indices, Options, Sites, sites_of

_TOLERANCE = 1e-9
_LARGEST_SEED = 2**31 - 1
_LOG = logging.getLogger(f"{PROGRESS}.exact-milp")


@dataclass(frozen=True)
class Proven:
    """What came of a program.

    Attributes:
        states: options chosen, [S] each, at least one.
        bound: no state within the constraints has a lower energy; infinity where there is none.
        optimal: the best of `states` is proven to be an optimum, within the gap asked for.
        nodes: of the tree.
        interrupted: by Ctrl-C.
    """

    states: list[Indices]
    bound: float
    optimal: bool
    nodes: int
    interrupted: bool


class Program:
    """Binary variables of sites in SCIP, with all constraints and the linear part of an objective.

    Args:
        scip: the module `pyscipopt`.
        options: of the problem.
        sites: all of them.
        linear: [n] of the objective; the energy is divided by `unit`, so that tolerances fit.
    """

    def __init__(self, scip: Any, options: Options, sites: Sites, linear: Floats) -> None:
        self.scip, self.options, self.sites = scip, options, sites
        self.unit = float(np.abs(linear).mean()) or 1.0
        self.model = scip.Model()
        self.model.hideOutput()
        self.variables = [self.model.addVar(vtype="B") for _ in linear]
        self.objective = self.sum(linear / self.unit, self.variables)
        # Variables that follow from the others, and how.
        self.derived: list[tuple[Any, Callable[[Floats], float]]] = []
        for a, b in pairwise(sites.starts):
            if b - a > 1:
                self.model.addCons(scip.quicksum(self.variables[a:b]) <= 1)
        for row, limit, loose, equal in zip(sites.rows, sites.limits, options.tolerances, options.equal, strict=True):
            size = float(np.abs(row).max()) or 1.0
            left = self.sum(row / size, self.variables)
            if np.any(row):
                self.model.addCons(left <= (limit + loose) / size)
            elif limit < -loose or (equal and limit > loose):
                self.model.addCons(self.variables[0] >= 2)  # nothing is left that could keep it
            if equal and np.any(row):
                self.model.addCons(left >= (limit - loose) / size)

    def sum(self, weights: Floats, variables: Sequence[Any]) -> Any:
        """An expression; weights of 0 are left out."""
        return self.scip.quicksum(float(w) * v for w, v in zip(weights, variables, strict=True) if w)

    def start_from(self, chosen: Indices) -> None:
        """Tell SCIP of a state within the constraints.

        Args:
            chosen: [S] option of every site.
        """
        ones = np.isin(self.sites.members, chosen).astype(float)
        start = self.model.createSol()
        values = [*zip(self.variables, ones.tolist(), strict=True)]
        for variable, value in [*values, *((each, derive(ones)) for each, derive in self.derived)]:
            self.model.setSolVal(start, variable, value)
        self.model.addSol(start)

    def solve(self, seed: int, gap: float, seconds: float, most: int) -> Proven:
        """Run SCIP.

        Args:
            seed: of its random choices.
            gap: relative, at which it stops.
            seconds: it may take.
            most: states to return.
        """
        model = self.model
        model.setObjective(self.objective)
        model.setParam("randomization/randomseedshift", seed % _LARGEST_SEED)
        model.setParam("numerics/feastol", _TOLERANCE)
        model.setParam("numerics/dualfeastol", _TOLERANCE)
        model.setParam("limits/gap", gap)
        if math.isfinite(seconds):
            model.setParam("limits/time", max(seconds, 1e-3))
        model.includeEventhdlr(_listener(self), "progress", "reports where the search stands")
        model.optimizeNogil()  # other threads go on: whoever sends an interrupt may be one of them
        status = model.getStatus()
        if status == "infeasible":
            return Proven([self.chosen(None)], math.inf, False, int(model.getNTotalNodes()), False)
        states = [self.chosen(solution) for solution in model.getSols()[:most]]
        bound = self.energy(float(model.getDualbound()))
        return Proven(
            states=states or [self.chosen(None)],
            bound=bound,
            optimal=bool(states) and status in ("optimal", "gaplimit"),
            nodes=int(model.getNTotalNodes()),
            interrupted=status == "userinterrupt",
        )

    def energy(self, scaled: float) -> float:
        """What SCIP's bound proves; minus infinity where it has none."""
        if abs(scaled) >= self.model.infinity():
            return -math.inf
        margin = 10.0 * _TOLERANCE * (abs(scaled) + 1.0) * self.unit
        return self.sites.offset + scaled * self.unit - margin

    def chosen(self, solution: Any) -> Indices:
        """[S] options of a solution; of None, the base of every site."""
        sites, options = self.sites, self.options
        site_of = options.site_of
        state = np.empty(len(options.starts) - 1, np.intp)
        state[site_of[sites.fixed]], state[site_of[sites.bases]] = sites.fixed, sites.bases
        if solution is not None:
            ones = np.array([self.model.getSolVal(solution, v) > 0.5 for v in self.variables], bool)
            state[site_of[sites.members[ones]]] = sites.members[ones]
        return state


def convex_program(scip: Any, relaxation: Relaxation) -> Program:
    """The squares of a convex relaxation's Cholesky factor, whose sum is bounded by one variable."""
    program = Program(scip, relaxation.options, relaxation.sites, relaxation.linear)
    factor = certainly_convex(relaxation.matrix)
    assert factor is not None
    # What the factor lacks of the matrix is a multiple of the identity, and rounding: far below the tolerances.
    roots = factor.T / math.sqrt(program.unit)
    squares = []
    for row in roots:
        least, most = (float(sign(row, 0.0).sum()) for sign in (np.minimum, np.maximum))
        root = program.model.addVar(lb=least, ub=most)
        program.model.addCons(program.sum(row, program.variables) == root)
        squares.append(root)
        program.derived.append((root, partial(_sum, row)))
    total = program.model.addVar(lb=0.0)
    # A little more than it has to be: rounding must not turn a start down.
    program.derived.append((total, lambda ones: 0.5 * float(np.square(roots @ ones).sum()) * (1.0 + _TOLERANCE)))
    program.model.addCons(scip.quicksum(root * root for root in squares) <= 2.0 * total)
    program.objective += total
    return program


def linear_program(scip: Any, options: Options) -> Program:
    """Every product of the original options as a variable of its own."""
    sites = sites_of(options, np.ones(len(options.linear), bool))
    inside = np.zeros(len(sites.linear))
    matrix = sites.matrix.copy()
    inside += np.diagonal(matrix) / 2.0
    program = Program(scip, options, sites, sites.linear + inside)
    for a, b in pairwise(sites.starts):
        matrix[a:b, a:b] = 0.0
    model, x = program.model, program.variables
    for i, j in zip(*np.nonzero(np.triu(matrix, 1)), strict=True):
        product = model.addVar(lb=0.0, ub=1.0)
        weight = float(matrix[i, j]) / program.unit
        if weight > 0.0:
            model.addCons(product >= x[i] + x[j] - 1.0)
        else:
            model.addCons(product <= x[i])
            model.addCons(product <= x[j])
        program.derived.append((product, partial(_product, i, j)))
        program.objective += weight * product
    return program


def _sum(weights: Floats, ones: Floats) -> float:
    return float(weights @ ones)


def _product(i: int, j: int, ones: Floats) -> float:
    return float(ones[i] * ones[j])


def _listener(program: Program) -> Any:
    """An event handler that reports every better answer."""

    class Listener(program.scip.Eventhdlr):  # type: ignore[misc, name-defined] # a base known at run time only
        def eventinit(self) -> None:
            self.model.catchEvent(program.scip.SCIP_EVENTTYPE.BESTSOLFOUND, self)

        def eventexit(self) -> None:
            self.model.dropEvent(program.scip.SCIP_EVENTTYPE.BESTSOLFOUND, self)

        def eventexec(self, _event: Any) -> None:
            best = program.sites.offset + self.model.getPrimalbound() * program.unit
            bound = program.energy(self.model.getDualbound())
            _LOG.debug("best %.6g, bound %.6g, %d nodes", best, bound, self.model.getNTotalNodes())

    return Listener()

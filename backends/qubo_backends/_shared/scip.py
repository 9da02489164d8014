"""Problems over sites as programs for SCIP, and what it proves about them.

SCIP computes in floating point: a row counts as kept when it is missed by less than `_TOLERANCE` of its scale. So
bounds are lowered by that share of what the objective is made of, and by ten times that share of themselves; answers
are examined again. What consists of whole multiples of a step reaches SCIP as whole numbers, since many of its cuts and
its rounding of bounds depend on them; everything else is scaled by powers of two, which is exact.
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
from qubo_dnn.bounds.relaxation import UNIT_ROUNDOFF, ConvexRelaxation, certainly_convex
from qubo_dnn.bounds.site_model import Floats, Indices, ReducedSiteModel, SiteModel
from qubo_dnn.bounds.steps import Steps, common_step, deviation_from

_TOLERANCE = 1e-9
_LARGEST_WHOLE, _LARGEST_IN_ROW = 1e6, 1e9
"""Larger coefficients of the objective and of constraints are scaled, whole or not, to suit SCIP's tolerances."""
_ENOUGH = 0.9
"""Of a step: a bound that is nearer than this to the best answer proves it to be an optimum."""
_LARGEST_SEED = 2**31 - 1
_LOG = logging.getLogger(f"{PROGRESS}.exact-milp")


@dataclass(frozen=True)
class Proven:
    """What came of a program.

    Attributes:
        states: options chosen, [S] each, at least one.
        bound: no state within the constraints has a lower energy; infinity where there is none.
        complete: SCIP has closed the gap to the best of `states`, within its tolerances.
        nodes: of the tree.
        interrupted: by Ctrl-C.
    """

    states: list[Indices]
    bound: float
    complete: bool
    nodes: int
    interrupted: bool


class ScipProgram:
    """Binary variables of sites in SCIP, with all constraints and the linear part of an objective.

    Args:
        scip: the module `pyscipopt`.
        options: of the problem.
        sites: all of them.
        linear: [n] of the objective.
        steps: of the problem's energies.
        unit: the energy is divided by it.
        whole: all coefficients are whole then, but for rounding.
    """

    def __init__(
        self,
        scip: Any,
        options: SiteModel,
        sites: ReducedSiteModel,
        linear: Floats,
        steps: Steps,
        unit: float,
        whole: bool = False,
    ) -> None:
        self.scip, self.options, self.sites, self.steps = scip, options, sites, steps
        self.unit, self.whole = unit, whole
        # The sum of the sizes of the objective's coefficients, divided by `unit`.
        self.size = 0.0
        self.model = scip.Model()
        self.model.hideOutput()
        self.variables = [self.model.addVar(vtype="B") for _ in linear]
        self.objective = self.cost(linear, self.variables)
        # Variables that follow from the others, and how.
        self.derived: list[tuple[Any, Callable[[Floats], float]]] = []
        based = np.isin(np.arange(len(options.sites.starts) - 1), options.sites.site_of[sites.bases])
        for a, b in pairwise(sites.starts):
            chosen = scip.quicksum(self.variables[a:b])
            if not based[options.sites.site_of[sites.members[a]]]:
                self.model.addCons(chosen == 1)
            elif b - a > 1:
                self.model.addCons(chosen <= 1)
        for k in range(len(sites.limits)):
            self._constrain(k)

    def _constrain(self, k: int) -> None:
        """Add a linear constraint of the problem."""
        options, row = self.options, self.sites.rows[k]
        limit, loose = float(self.sites.limits[k]), float(options.tolerances[k])
        self.keep_row(*row_in_units(row, options.rows[k], limit, loose, bool(options.equal[k])))

    def keep_row(self, row: Floats, low: float, high: float, further: Sequence[Any] = ()) -> None:
        """Add `low <= row x <= high` over the binary variables and, behind them, further ones."""
        if not row.any() and not low <= 0.0 <= high:
            low, high, row = 2.0, 2.0, np.eye(1, len(row))[0]  # nothing is left that could keep it
        if row.any():
            left = self.sum(row, [*self.variables, *further])
            self.model.addCons(left <= high)
            if low > -math.inf:
                self.model.addCons(left >= low)

    def cost(self, weights: Floats, variables: Sequence[Any]) -> Any:
        """A part of the objective."""
        scaled = np.rint(weights / self.unit) if self.whole else weights / self.unit
        self.size += float(np.abs(scaled).sum())
        return self.sum(scaled, variables)

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
        if self.whole:
            model.setObjIntegral()
        model.setParam("randomization/randomseedshift", seed % _LARGEST_SEED)
        model.setParam("numerics/feastol", _TOLERANCE)
        model.setParam("numerics/dualfeastol", _TOLERANCE)
        model.setParam("limits/gap", gap)
        model.setParam("limits/absgap", _ENOUGH * float(self.steps.step) / self.unit)
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
            complete=bool(states) and status == "optimal",
            nodes=int(model.getNTotalNodes()),
            interrupted=status == "userinterrupt",
        )

    def energy(self, scaled: float) -> float:
        """What SCIP's bound proves; minus infinity where it has none."""
        if abs(scaled) >= self.model.infinity():
            return -math.inf
        margin = _TOLERANCE * (10.0 * (abs(scaled) + 1.0) + self.size) * self.unit
        return self.steps.raised(self.sites.offset + scaled * self.unit - margin)

    def chosen(self, solution: Any) -> Indices:
        """[S] options of a solution; of None, any."""
        sites, options = self.sites, self.options
        site_of = options.sites.site_of
        state = options.sites.starts[:-1].copy()
        state[site_of[sites.fixed]], state[site_of[sites.bases]] = sites.fixed, sites.bases
        if solution is not None:
            ones = np.array([self.model.getSolVal(solution, v) > 0.5 for v in self.variables], bool)
            state[site_of[sites.members[ones]]] = sites.members[ones]
        return state


def convex_program(scip: Any, relaxation: ConvexRelaxation, steps: Steps) -> ScipProgram:
    """The squares of a convex relaxation's Cholesky factor, whose sum is bounded by one variable."""
    unit = _power_of_two(float(np.abs(relaxation.linear).mean()))
    program = ScipProgram(scip, relaxation.options, relaxation.sites, relaxation.linear, steps, unit)
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
    program.objective += program.cost(np.array([unit]), [total])
    return program


def linear_program(scip: Any, options: SiteModel, steps: Steps) -> ScipProgram:
    """Every product of the original options as a variable of its own."""
    sites = _all_options(options)
    linear, matrix = sites.linear, sites.matrix
    rows, columns = np.nonzero(np.triu(matrix, 1))
    weights = matrix[rows, columns]
    unit, whole = _unit(np.concatenate([linear, weights]), steps)
    program = ScipProgram(scip, options, sites, linear, steps, unit, whole)
    model, x = program.model, program.variables
    products = []
    for i, j, weight in zip(rows.tolist(), columns.tolist(), weights.tolist(), strict=True):
        product = model.addVar(lb=0.0, ub=1.0)
        if weight > 0.0:
            model.addCons(product >= x[i] + x[j] - 1.0)
        else:
            model.addCons(product <= x[i])
            model.addCons(product <= x[j])
        products.append(product)
        program.derived.append((product, partial(product_of, i, j)))
    program.objective += program.cost(weights, products)
    return program


def _all_options(options: SiteModel) -> ReducedSiteModel:
    """Sites in which every variable of the problem stays: what is known about pairs of options is seen as it is."""
    members, bases = np.flatnonzero(options.sites.variables >= 0), np.flatnonzero(options.sites.variables < 0)
    _, first = np.unique(options.sites.site_of[members], return_index=True)
    return ReducedSiteModel(
        offset=options.offset,
        linear=options.linear[members],
        matrix=options.matrix[np.ix_(members, members)],
        starts=np.append(first, len(members)),
        rows=options.rows[:, members],
        limits=options.limits,
        members=members,
        bases=bases,
        fixed=members[:0],
    )


def _unit(weights: Floats, steps: Steps) -> tuple[float, bool]:
    """What an objective is divided by, and whether it is made of whole numbers then."""
    sizes = np.abs(weights[weights != 0.0])
    if not steps.step or not len(sizes):
        return _power_of_two(float(sizes.mean()) if len(sizes) else 0.0), False
    step = float(steps.step)
    beyond = float(sizes.max()) / step / _LARGEST_WHOLE
    return step * 2.0 ** max(0, math.ceil(math.log2(beyond))), beyond <= 1.0


def _power_of_two(size: float) -> float:
    """One that is near a size; 1 for none."""
    return 2.0 ** round(math.log2(size)) if size > 0.0 else 1.0


def row_in_units(row: Floats, stepped: Floats, limit: float, loose: float, equal: bool) -> tuple[Floats, float, float]:
    """[n] coefficients, and the least and the largest left side of a constraint that no state within it misses.

    Coefficients that are whole multiples of a step become whole, and so do the limits.

    Args:
        row: coefficients of the program's variables.
        stepped: coefficients of the problem, whose step is that of `row`.
        limit: right side.
        loose: by how much it may be missed.
        equal: True for an equality, False for "<=".
    """
    found = common_step(stepped)
    largest = float(np.abs(row).max(initial=0.0))
    if found is not None and largest <= _LARGEST_IN_ROW * float(found):
        step, size = float(found), float(np.abs(stepped).sum()) + abs(limit)
        slack = loose + deviation_from(found, row) + 8.0 * (len(row) + 20.0) * UNIT_ROUNDOFF * size
        if slack < step / 2.0:
            least, most = math.ceil((limit - slack) / step), math.floor((limit + slack) / step)
            return np.rint(row / step), float(least) if equal else -math.inf, float(most)
    unit = _power_of_two(largest)
    return row / unit, (limit - loose) / unit if equal else -math.inf, (limit + loose) / unit


def _sum(weights: Floats, ones: Floats) -> float:
    return float(weights @ ones)


def product_of(i: int, j: int, ones: Floats) -> float:
    """The product of two binary variables, given the values of all."""
    return float(ones[i] * ones[j])


def _listener(program: ScipProgram) -> Any:
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

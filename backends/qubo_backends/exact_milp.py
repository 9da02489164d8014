"""Mixed-integer programming by SCIP: an optimum with its proof, or a bound of how far the answer is from it.

Dense problems are made convex first by what is free in them, see `qubo_dnn.bounds.convexify`, and reach SCIP as a sum
of squares; sparse ones as a linear program with a variable for every product. Objectives and constraints that consist
of whole multiples of a step reach SCIP as whole numbers, and its bound is raised to the next energy that is attainable.

Why SCIP: it takes a convex quadratic over whole numbers; HiGHS and CP-SAT need every product of two sites' options
linearised. Of the layers of ResNet-20 (20 sites) HiGHS is the quicker one, 1.6 and 2.3 times at 3 and 4 bits, for the
linear relaxation is tight there; of groups of 16 channels (44 sites) it has no useful bound after a minute, when SCIP's
is within half a percent at 3 bits. CP-SAT has none of either. Made convex only by a dominant diagonal, SCIP leaves gaps
of half and more after a minute (`python -m bench.certify`).

Source: Bestuzheva et al. 2023, "Enabling research through the SCIP Optimization Suite 8.0"; products, Glover & Woolsey
1974.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qubo_backends import _sampling
from qubo_backends._scip import Proven, ScipProgram, convex_program, linear_program
from qubo_dnn.arguments import checked
from qubo_dnn.backend import PROGRESS, UNSEEN, Capabilities, SolveOptions, check_model
from qubo_dnn.bounds.convexify import tightening
from qubo_dnn.bounds.relaxation import ConvexRelaxation
from qubo_dnn.bounds.site_model import Indices, SiteModel, site_model
from qubo_dnn.bounds.steps import Steps, steps_of
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.errors import BackendUnavailableError, UnsupportedProblemError
from qubo_dnn.extras import require
from qubo_dnn.problem import Problem
from qubo_dnn.solving.local_answer import local_answer

_MAX_VARIABLES = 3000
# Products of options of different sites, for every option, up to which each of them becomes a variable.
_SPARSE = 4.0
# Constraints beyond which a first answer is left to SCIP: prices of thousands take longer than all of its work.
_MOST_IN_START = 100
# Of the time, what a first answer and then making the problem convex may take.
_START_SHARE, _CONVEX_SHARE = 0.1, 0.25
_KINDS = frozenset(
    {ConstraintKind.ONE_HOT, ConstraintKind.INEQUALITY, ConstraintKind.ASSIGNMENT, ConstraintKind.EQUALITY}
)
_LOG = logging.getLogger(f"{PROGRESS}.exact-milp")


class ExactMilpOptions(SolveOptions):
    """Options of `exact-milp`; `num_reads` are the best states found, from the best again where there are fewer."""

    gap: float = Field(
        default=0.0,
        ge=0.0,
        description="relative gap at which to stop; 0 proves an optimum",
        json_schema_extra={UNSEEN: "small models are solved before a gap is looked at"},
    )


class ExactMilpBackend:
    """SCIP on the convex or linear form of a problem; `info["bound"]` is proven, `info["optimal"]` says of what."""

    name: ClassVar[str] = "exact-milp"
    summary: ClassVar[str] = "branch and cut by SCIP: an optimum with its proof, or a bound; constraints native"
    options_type: ClassVar[type[SolveOptions]] = ExactMilpOptions

    def __init__(self) -> None:
        require("pyscipopt", "milp", BackendUnavailableError)

    @property
    def _scip(self) -> Any:
        # Not kept, since a module cannot be pickled.
        return require("pyscipopt", "milp", BackendUnavailableError)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            max_variables=_MAX_VARIABLES, fills_time=False, native_constraints=_KINDS, low_rank=True, bounds=True
        )

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Return the best states found; see `qubo_dnn.backend.Backend.sample`.

        Time limit and Ctrl-C give the best so far, and its bound.
        """
        check_model(self, bqm)
        states, info = self._solved(Problem(objective=bqm, decoder=dict), options)
        return _sampling.answer(bqm, _sampling.natural_order(bqm), states, info)

    @checked
    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        """Return the best feasible states found; see `qubo_dnn.backend.ConstrainedBackend`.

        Where none was found, the row keeps the groups only; the bound is infinite where there is proven to be none.

        Raises:
            UnsupportedProblemError: too many variables, or a constraint is not linear.
        """
        check_model(self, problem.objective)
        if ConstraintKind.QUADRATIC in problem.constraint_kinds:
            raise UnsupportedProblemError(f"backend {self.name!r} takes linear constraints only")
        states, info = self._solved(problem, options)
        return _sampling.with_low_rank(
            problem, _sampling.answer(problem.objective, list(problem.variables), states, info)
        )

    def _solved(self, problem: Problem[Any], given: SolveOptions) -> tuple[NDArray[np.int8], Mapping[str, Any]]:
        """[reads, n] states in the problem's order, and the info."""
        settings = _sampling.typed_options(self, given, ExactMilpOptions)
        seed = _sampling.drawn_seed(settings)
        options, steps = site_model(problem), steps_of(problem)
        reads = settings.num_reads or 1
        bound = -math.inf
        with _sampling.InterruptGuard(settings.time_limit) as watch:
            if (np.diff(options.starts) < 2).all():
                chosen = options.starts[:-1]
                met = options.meets(chosen)
                least = steps.raised(options.energy(chosen) - steps.rounding)
                proven = Proven([chosen], least if met else math.inf, met, 0, False)
            else:
                start = _start(problem, options, _START_SHARE * watch.seconds_left)
                program, bound = self._program(options, steps, watch)
                if start is not None:
                    program.start_from(start)
                left = 0.0 if watch.interrupted else watch.seconds_left
                proven = program.solve(seed, settings.gap, left, reads)
        found = [chosen for chosen in proven.states if options.meets(chosen)] or proven.states
        found.sort(key=options.energy)
        bound, met = max(proven.bound, bound), options.meets(found[0])
        states = np.zeros((reads, len(problem.variables)), np.int8)
        for row in range(reads):
            columns = options.columns[found[row % len(found)]]
            states[row, columns[columns >= 0]] = 1
        info = {
            "seed": seed,
            "interrupted": proven.interrupted or watch.interrupted,
            "seconds": watch.seconds,
            "bound": bound,
            "optimal": met and (proven.complete or options.energy(found[0]) - bound <= steps.tolerance),
            "nodes": proven.nodes,
        }
        return states, info

    def _program(self, options: SiteModel, steps: Steps, watch: _sampling.InterruptGuard) -> tuple[ScipProgram, float]:
        """For SCIP, and what is proven before it begins."""
        if np.count_nonzero(options.matrix) / 2 <= _SPARSE * len(options.linear):
            return linear_program(self._scip, options, steps), -math.inf
        until = watch.seconds + _CONVEX_SHARE * watch.seconds_left
        best: ConvexRelaxation | None = None
        for relaxation in tightening(options, lambda: watch.interrupted or watch.seconds >= until):
            if best is None or relaxation.bound.value > best.bound.value:
                best = relaxation
        if best is None:
            return linear_program(self._scip, options, steps), -math.inf
        _LOG.debug("convex relaxation: bound %.6g", best.bound.value)
        return convex_program(self._scip, best, steps), steps.raised(best.bound.value)


def _start(problem: Problem[Any], options: SiteModel, seconds: float) -> Indices | None:
    """[S] options of a local answer within the constraints; None where there is none, or it is not looked for."""
    if problem.low_rank is not None or len(problem.constraints) > _MOST_IN_START:
        return None
    x = np.append(local_answer(problem, time.perf_counter() + seconds).x, 0)
    # The option "off" of a free variable, which has no column, comes first.
    ones = x[options.columns]
    ones[options.columns < 0] = 1 - ones[np.flatnonzero(options.columns < 0) + 1]
    chosen = np.flatnonzero(ones)
    kept = len(chosen) == len(options.starts) - 1 and np.array_equal(options.site_of[chosen], np.arange(len(chosen)))
    return chosen if kept and options.meets(chosen) else None

"""Exact programming, mostly with SCIP: a proven optimum, or a bound on the distance of the answer from it.

Dense problems are first made convex without a change of their feasible energies, see `qubo_dnn.bounds.convexify`, and
reach SCIP as a sum of squares; sparse problems become a linear program with a variable for every product, and so do
quadratic constraints. Objectives and constraints that consist of integer multiples of a step reach SCIP as integers,
and its bound is rounded up to the next attainable energy.

Dense models without constraints do not reach SCIP: `qubo_dnn.bounds.cut_tree` proves in seconds what SCIP leaves open
after a minute.

Reasons for SCIP: it accepts a convex quadratic over integers; HiGHS and CP-SAT need a linearised product for every two
options of different sites. For the layers of ResNet-20 (20 sites), HiGHS is faster, 1.6 and 2.3 times at 3 and 4 bits,
because the linear relaxation is tight there; for groups of 16 channels (44 sites) it has no useful bound after a
minute, when the bound of SCIP is within 0.5 % at 3 bits. CP-SAT has no useful bound for either. If only a dominant
diagonal makes the problem convex, SCIP leaves gaps of 50 % and more after a minute (`python -m bench.certify`).

Source: Bestuzheva et al. 2023, "Enabling research through the SCIP Optimization Suite 8.0"; products, Glover & Woolsey
1974.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import dimod
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qubo_backends._shared import sampling
from qubo_backends._shared.scip import Proven, ScipProgram, convex_program, linear_program
from qubo_backends._shared.scip_quadratic import add_quadratic
from qubo_dnn.backend import PROGRESS, UNSEEN, Capabilities, SolveOptions, check_kinds, check_model
from qubo_dnn.bounds import cut_tree
from qubo_dnn.bounds.convexify import tightening
from qubo_dnn.bounds.relaxation import ConvexRelaxation
from qubo_dnn.bounds.site_model import Indices, SiteModel, site_model
from qubo_dnn.bounds.spin_model import spin_model
from qubo_dnn.bounds.steps import Steps, steps_of
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.errors import BackendUnavailableError
from qubo_dnn.problem import Problem
from qubo_dnn.solving.local_answer import local_answer
from qubo_dnn.support.arguments import checked
from qubo_dnn.support.extras import require

_MAX_VARIABLES = 3000
# Up to this number of products per option (of options of different sites), every product becomes a variable.
_SPARSE = 4.0
# Beyond this number of constraints, SCIP finds the first answer: prices for thousands take longer than its whole run.
_MOST_IN_START = 100
# Shares of the time for a first answer and for making the problem convex.
_START_SHARE, _CONVEX_SHARE = 0.1, 0.25
_KINDS = frozenset(ConstraintKind)
_LOG = logging.getLogger(f"{PROGRESS}.exact-milp")


class ExactMilpOptions(SolveOptions):
    """Options of `exact-milp`; it returns the `num_reads` best states, repeated from the best if there are fewer.

    Example:
        >>> ExactMilpOptions(gap=0.01, time_limit=60.0).gap
        0.01
    """

    gap: float = Field(
        default=0.0,
        ge=0.0,
        description="relative gap at which the run stops; 0: prove the optimum",
        json_schema_extra={UNSEEN: "small models are solved before a gap is looked at"},
    )


@dataclass(frozen=True, eq=False)
class _Asked:
    """A problem with what its solution is asked with; `start` is a feasible answer, if one is known."""

    problem: Problem[Any]
    options: SiteModel
    steps: Steps
    start: Indices | None
    gap: float
    seed: int
    reads: int
    watch: sampling.InterruptGuard


class ExactMilpBackend:
    """SCIP on the convex or linear form of a problem; `info["bound"]` is proven, `info["optimal"]` marks an optimum.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> found = ExactMilpBackend().sample(bqm, ExactMilpOptions())
        >>> float(found.first.energy), found.info["optimal"]
        (-1.0, True)
    """

    name: ClassVar[str] = "exact-milp"
    summary: ClassVar[str] = "branch and cut: an optimum with its proof, or a bound; constraints native"
    options_type: ClassVar[type[SolveOptions]] = ExactMilpOptions

    def __init__(self) -> None:
        require("pyscipopt", "milp", BackendUnavailableError)

    @property
    def _scip(self) -> Any:
        # Do not store the module, because it cannot be pickled.
        return require("pyscipopt", "milp", BackendUnavailableError)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            max_variables=_MAX_VARIABLES, fills_time=False, native_constraints=_KINDS, low_rank=True, bounds=True
        )

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Return the best states found; see `qubo_dnn.backend.Backend.sample`.

        The time limit and Ctrl-C end the run with the best states so far and their bound.
        """
        check_model(self, bqm)
        states, info = self._solved(Problem(objective=bqm, decoder=dict), options)
        return sampling.answer(bqm, sampling.natural_order(bqm), states, info)

    @checked
    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        """Return the best feasible states found; see `qubo_dnn.backend.ConstrainedBackend`.

        If none was found, the row keeps only the groups; the bound is infinite if infeasibility is proven.

        Raises:
            UnsupportedProblemError: too many variables.
        """
        check_model(self, problem.objective)
        check_kinds(self, problem)
        return sampling.problem_answer(problem, *self._solved(problem, options))

    def _solved(self, problem: Problem[Any], given: SolveOptions) -> tuple[NDArray[np.int8], Mapping[str, Any]]:
        """Return [reads, n] states in the order of the problem, and the info."""
        settings = sampling.typed_options(self, given, ExactMilpOptions)
        seed = sampling.drawn_seed(settings)
        options, steps = site_model(problem), steps_of(problem)
        reads = settings.num_reads or 1
        bound = -math.inf
        with sampling.InterruptGuard(settings.time_limit) as watch:
            if (np.diff(options.sites.starts) < 2).all():
                chosen = options.sites.starts[:-1]
                met = _meets(problem, options, chosen)
                least = steps.raised(options.energy(chosen) - steps.rounding)
                proven = Proven([chosen], least if met else math.inf, met, 0, False)
            else:
                start = _start(problem, options, _START_SHARE * watch.seconds_left)
                asked = _Asked(problem, options, steps, start, settings.gap, seed, reads, watch)
                if start is not None and cut_tree.is_cut(problem) and not cut_tree.is_sparse(problem):
                    proven = _cut(asked, start)
                else:
                    proven, bound = self._programmed(asked)
        found = [chosen for chosen in proven.states if _meets(problem, options, chosen)] or proven.states
        found.sort(key=options.energy)
        bound, met = max(proven.bound, bound), _meets(problem, options, found[0])
        states = options.sites.bits(
            np.array([found[row % len(found)] for row in range(reads)]) - options.sites.starts[:-1]
        )
        info = {
            "seed": seed,
            "interrupted": proven.interrupted or watch.interrupted,
            "seconds": watch.seconds,
            "bound": bound,
            "optimal": met and (proven.complete or options.energy(found[0]) - bound <= steps.tolerance),
            "nodes": proven.nodes,
        }
        return states, info

    def _programmed(self, asked: _Asked) -> tuple[Proven, float]:
        """Solve a problem with SCIP; what came of it, and a bound proven before."""
        program, bound = self._program(asked.options, asked.steps, asked.watch)
        for label in asked.options.dropped:
            add_quadratic(program, asked.problem.constraints[label], asked.problem.index)
        if asked.start is not None:
            program.start_from(asked.start)
        left = 0.0 if asked.watch.interrupted else asked.watch.seconds_left
        return program.solve(asked.seed, asked.gap, left, asked.reads), bound

    def _program(self, options: SiteModel, steps: Steps, watch: sampling.InterruptGuard) -> tuple[ScipProgram, float]:
        """Make the program for SCIP, and a bound proven before its run."""
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
    """Return [S] options of a feasible local answer; None if none was found or searched for."""
    if problem.low_rank is not None or len(problem.constraints) > _MOST_IN_START:
        return None
    if any(each.sense == "==" and each.penalty is None for each in problem.constraints.values()):
        return None
    x = local_answer(problem, time.perf_counter() + seconds).x
    chosen = options.sites.starts[:-1] + options.sites.options(x[None])[0]
    return chosen if _meets(problem, options, chosen) else None


def _cut(asked: _Asked, start: Indices) -> Proven:
    """Solve a model without constraints by branch and bound on its semidefinite relaxation."""
    best, bound = asked.options.energy(start), -math.inf

    def heard(found: cut_tree.CutTree) -> None:
        nonlocal best, bound
        best, bound = found.energy, max(bound, found.bound)
        _LOG.debug("bound %.6g, best %.6g, %d nodes", bound, best, found.nodes)

    def over() -> bool:
        return asked.watch.over or best - bound <= asked.gap * min(abs(best), abs(bound))

    tree = cut_tree.search(*spin_model(asked.problem), best, asked.steps.enough, over, heard, asked.seed)
    complete = not over()
    heard(tree)
    chosen = start if tree.state is None else asked.options.sites.starts[:-1] + tree.state
    return Proven([chosen], asked.steps.raised(bound), complete, tree.nodes, asked.watch.interrupted)


def _meets(problem: Problem[Any], options: SiteModel, chosen: Indices) -> bool:
    """Return whether the chosen options keep all constraints, those that are not linear included."""
    if not options.meets(chosen):
        return False
    x = options.sites.bits((chosen - options.sites.starts[:-1])[None])[0].tolist()
    sample = dict(zip(problem.variables, x, strict=True))
    quadratic = (problem.constraints[label] for label in options.dropped)
    return all(
        each.violation(float(each.lhs.energy({v: sample[v] for v in each.lhs.variables}))) == 0.0 for each in quadratic
    )

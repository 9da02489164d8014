"""Leap's hybrid solver of constrained quadratic models, which keeps constraints natively."""

from __future__ import annotations

from typing import Any, ClassVar

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_backends._shared import leap, sampling
from qubo_backends.dwave_hybrid import HybridOptions, call_solver, check_limits
from qubo_dnn.backend import Capabilities, SolveOptions, check_model
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.problem import Problem
from qubo_dnn.support.arguments import checked


class DwaveHybridCqmBackend(leap.LeapBackend):
    """Leap's hybrid CQM solver; `dwave-hybrid-cqm:NAME` selects one by name.

    Example:
        >>> backend = DwaveHybridCqmBackend()
        >>> len(backend.capabilities.native_constraints) > 0
        True
    """

    name: ClassVar[str] = "dwave-hybrid-cqm"
    summary: ClassVar[str] = "Leap's hybrid solver of constrained models, constraints native (needs an API token)"
    options_type: ClassVar[type[SolveOptions]] = HybridOptions
    kind = "LeapHybridCQMSampler"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(seeded=False, remote=True, native_constraints=frozenset(ConstraintKind))

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples; see `qubo_dnn.backend.Backend.sample`."""
        check_model(self, bqm)
        order = sampling.natural_order(bqm)
        cqm = dimod.ConstrainedQuadraticModel()
        cqm.set_objective(sampling.indexed(bqm, dimod.BINARY))
        rows, info = self._rows(cqm, len(order), options)
        return sampling.answer(bqm, order, rows > 0, info)

    @checked
    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        """Draw samples that keep the constraints; see `qubo_dnn.backend.ConstrainedBackend`."""
        check_model(self, problem.objective)
        cqm = problem.to_cqm()
        cqm.relabel_variables(problem.index)
        rows, info = self._rows(cqm, len(problem.variables), options)
        return sampling.answer(problem.objective, problem.variables, rows > 0, info)

    def _rows(
        self, cqm: dimod.ConstrainedQuadraticModel, size: int, options: SolveOptions
    ) -> tuple[NDArray[np.int8], dict[str, Any]]:
        """Return [rows, size] of 0 and 1: the best row of every read, where feasible rows are better than others."""
        options = sampling.typed_options(self, options, HybridOptions)
        with sampling.InterruptGuard(options.time_limit) as watch:
            if not size:
                return np.empty((options.num_reads or 1, 0), np.int8), {"interrupted": False}
            with leap.connected(self.kind, self.variant, options) as sampler:
                sizes = {
                    "variables": size,
                    "constraints": len(cqm.constraints),
                    "biases": cqm.num_biases(),
                    "quadratic_variables": cqm.num_quadratic_variables(include_objective=False),
                }
                check_limits(self, sampler, sizes)
                least = float(sampler.min_time_limit(cqm))
                with cqm.to_file() as file:
                    upload = sampler.solver.upload_problem(file)
                    found, info = call_solver(sampler, sampler.solver.sample_cqm, upload, least, options, watch)
        rows = []
        for each in found:
            fields = each.record.dtype.names or ()
            feasible = each.record.is_feasible if "is_feasible" in fields else np.ones(len(each), bool)
            best = np.lexsort((each.record.energy, ~feasible))[0]
            rows.append(each.record.sample[best, [each.variables.index(place) for place in range(size)]])
        return np.array(rows, np.int8), info | watch.told()

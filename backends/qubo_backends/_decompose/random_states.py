"""Random states of a block, the control to which any wrapped backend is compared."""

from __future__ import annotations

from typing import Any, ClassVar

import dimod
import numpy as np

from qubo_backends._shared import sampling
from qubo_dnn.backend import Capabilities, SolveOptions, check_kinds, check_model
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.problem import Problem
from qubo_dnn.sites import Sites


class RandomStates:
    """Draws every option of every one-hot group, and both values of a free variable, with equal probability.

    It looks at no bias, so that it is no backend by itself: it does not sample the model.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {}, 0.0, "BINARY")
        >>> len(RandomStates().sample(bqm, SolveOptions(num_reads=5, seed=1)))
        5
    """

    name: ClassVar[str] = "random"
    summary: ClassVar[str] = "random states"
    options_type: ClassVar[type[SolveOptions]] = SolveOptions

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(native_constraints=frozenset({ConstraintKind.ONE_HOT}))

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw states; see `qubo_dnn.backend.Backend.sample`."""
        check_model(self, bqm)
        order = sampling.natural_order(bqm)
        return self._drawn(bqm, order, Sites.of_groups(len(order), []), options)

    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        """Draw states that keep the groups; see `qubo_dnn.backend.ConstrainedBackend`."""
        check_kinds(self, problem)
        return self._drawn(problem.objective, list(problem.variables), Sites.of_problem(problem), options)

    def _drawn(
        self, bqm: dimod.BinaryQuadraticModel, order: list[Any], sites: Sites, options: SolveOptions
    ) -> dimod.SampleSet:
        seed = sampling.drawn_seed(options)
        sizes = np.diff(sites.starts)
        chosen = np.random.default_rng(seed).integers(0, sizes, (options.num_reads or 1, len(sizes)))
        return sampling.answer(bqm, order, sites.bits(chosen), {"seed": seed, "interrupted": False})

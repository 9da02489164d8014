"""What the searches over choices have in common as backends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import dimod

from qubo_backends._choices.run import KINDS, plain
from qubo_dnn.backend import BlackBox, Capabilities, SolveOptions, check_model
from qubo_dnn.problem import Problem


class ChoiceSearch(ABC):
    """A backend that chooses an option for every group and every free variable, and judges whole states only."""

    name: ClassVar[str]
    summary: ClassVar[str]
    options_type: ClassVar[type[SolveOptions]]

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(native_constraints=KINDS, low_rank=True, black_box=True)

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        """Draw samples, with a choice for every variable; see `qubo_dnn.backend.Backend.sample`."""
        check_model(self, bqm)
        return plain(bqm, lambda problem: self.sample_constrained(problem, options))

    def sample_constrained(self, problem: Problem[Any], options: SolveOptions) -> dimod.SampleSet:
        """Draw samples that keep the constraints; see `qubo_dnn.backend.ConstrainedBackend`."""
        return self.run(problem, options, None)

    def sample_black_box(self, problem: Problem[Any], energies: BlackBox, options: SolveOptions) -> dimod.SampleSet:
        """The same by a function, so that nothing of the objective is looked at; see `BlackBoxBackend`."""
        return self.run(problem, options, energies)

    @abstractmethod
    def run(self, problem: Problem[Any], options: SolveOptions, energies: BlackBox | None) -> dimod.SampleSet:
        """Search; `energies` is None for the problem's own objective."""

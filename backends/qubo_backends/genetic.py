"""A genetic algorithm over choices, by pymoo.

A gene is the option of one site: a one-hot group, or a free variable. Children exchange single genes or contiguous
runs of them, and genes are drawn anew; neither leaves a one-hot group. Linear inequalities, such as a budget, are met
again by switching the options that cost least energy per unit of violation.

Source: Holland 1975; Blank & Deb 2020, pymoo, https://doi.org/10.1109/ACCESS.2020.2990567; repair in the manner of Chu
& Beasley 1998, https://doi.org/10.1023/A:1009642405419.
"""

from __future__ import annotations

from typing import Any, ClassVar

import dimod
from pydantic import Field

from qubo_backends import _sampling
from qubo_backends._choices.backend import ChoiceSearch
from qubo_backends._choices.run import LISTED, Task, run
from qubo_dnn.backend import BlackBox, SolveOptions
from qubo_dnn.errors import BackendUnavailableError
from qubo_dnn.extras import require
from qubo_dnn.problem import Problem

# By default: for every bit that tells states apart, and at most.
_GENERATIONS_PER_BIT, _MOST_GENERATIONS = 15, 600


class GeneticOptions(SolveOptions):
    """Options of `genetic`; the `num_reads` best different states are returned (default 1), the best again if there are
    fewer. A run ends when every state was seen. No more states than a population, or by default than 4,096 whose
    coefficients are known, are looked at one by one.
    """

    population_size: int = Field(default=50, ge=2, le=100_000, description="members of a population")
    generations: int | None = Field(
        default=None,
        ge=1,
        description=f"of all populations together (default: {_GENERATIONS_PER_BIT} per bit of a state, up to "
        f"{_MOST_GENERATIONS}; with time_limit: until it ends)",
    )
    crossover_rate: float = Field(default=1.0, ge=0, le=1, description="share of the pairs whose children mix them")
    block_crossover: float = Field(
        default=0.5, ge=0, le=1, description="share of these that exchange a contiguous run instead of single genes"
    )
    mutation_rate: float | None = Field(
        default=None, gt=0, le=1, description="share of the genes that are drawn anew (default: one gene on average)"
    )
    elitism: float = Field(
        default=1.0, gt=0, le=1, description="largest share of a population that may be older than one generation"
    )
    tournament_size: int = Field(
        default=2, ge=1, le=1000, examples=[1], description="members of which the best becomes a parent"
    )
    patience: int = Field(
        default=50, ge=1, description="generations without a better state after which a new population begins"
    )


class GeneticBackend(ChoiceSearch):
    """A genetic algorithm on this machine."""

    name: ClassVar[str] = "genetic"
    summary: ClassVar[str] = "genetic algorithm on this machine (pymoo), with native one-hot groups and inequalities"
    options_type: ClassVar[type[SolveOptions]] = GeneticOptions

    def __init__(self) -> None:
        require("pymoo", "genetic", BackendUnavailableError)

    def run(self, problem: Problem[Any], options: SolveOptions, energies: BlackBox | None) -> dimod.SampleSet:
        """See `ChoiceSearch.run`. By a function, repair switches options at random."""
        options = _sampling.typed_options(self, options, GeneticOptions)

        def search(task: Task) -> dict[str, Any]:
            # pymoo is loaded when it is used, by no clock.
            with task.watch.stopped():
                from qubo_backends._genetic.evolution import evolve
            generations = options.generations
            if generations is None and options.time_limit is None:
                generations = min(_MOST_GENERATIONS, _GENERATIONS_PER_BIT * task.space.count.bit_length())
            return evolve(task, options, generations)

        by_default = options.generations is None and energies is None
        listed = max(options.population_size, LISTED) if by_default else options.population_size
        return run(self, problem, options, search, listed, energies)

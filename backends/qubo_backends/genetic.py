"""A genetic algorithm over choices, with pymoo.

A gene is the option of one site, which is a one-hot group or a free variable. Crossover exchanges single genes or
contiguous runs, and mutation redraws genes; both keep one-hot groups. Violated linear inequalities, such as a budget,
are repaired by switching the options with the least energy per unit of violation.

Source: Holland 1975; Blank & Deb 2020, pymoo, https://doi.org/10.1109/ACCESS.2020.2990567; repair similar to Chu &
Beasley 1998, https://doi.org/10.1023/A:1009642405419.
"""

from __future__ import annotations

from typing import Any, ClassVar

import dimod
from pydantic import Field

from qubo_backends._choices.backend import ChoiceSearch
from qubo_backends._choices.run import LISTED, Task, run
from qubo_backends._shared import sampling
from qubo_dnn.backend import BlackBox, SolveOptions
from qubo_dnn.errors import BackendUnavailableError
from qubo_dnn.problem import Problem
from qubo_dnn.support.extras import require

# Default number of generations per bit of a state, and its maximum.
_GENERATIONS_PER_BIT, _MOST_GENERATIONS = 15, 600


class GeneticOptions(SolveOptions):
    """Options of `genetic`; it returns the `num_reads` best different states (default 1), repeated from the best if
    there are fewer. A run ends when it has seen every state. It enumerates all states if they are at most as many as a
    population, or by default at most 4,096 with known coefficients.

    Example:
        >>> GeneticOptions(seed=1, population_size=20).tournament_size
        2
    """

    population_size: int = Field(default=50, ge=2, le=100_000, description="number of members of a population")
    generations: int | None = Field(
        default=None,
        ge=1,
        description=f"number of generations of all populations together (default: {_GENERATIONS_PER_BIT} per bit of a "
        f"state, up to {_MOST_GENERATIONS}; with time_limit: no limit)",
    )
    crossover_rate: float = Field(
        default=1.0, ge=0, le=1, description="share of the pairs of parents that undergo crossover"
    )
    block_crossover: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of crossovers that exchange a contiguous run instead of single genes",
    )
    mutation_rate: float | None = Field(
        default=None, gt=0, le=1, description="share of the genes that mutation redraws (default: one gene on average)"
    )
    elitism: float = Field(
        default=1.0, gt=0, le=1, description="largest share of a population that may be older than one generation"
    )
    tournament_size: int = Field(
        default=2, ge=1, le=1000, examples=[1], description="number of members from which the best becomes a parent"
    )
    patience: int = Field(
        default=50, ge=1, description="number of generations without improvement after which a new population starts"
    )


class GeneticBackend(ChoiceSearch):
    """A genetic algorithm on this machine.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> best = GeneticBackend().sample(bqm, GeneticOptions(seed=1)).first
        >>> int(best.sample["a"]), int(best.sample["b"]), float(best.energy)
        (1, 0, -1.0)
    """

    name: ClassVar[str] = "genetic"
    summary: ClassVar[str] = "genetic algorithm on this machine (pymoo), with native one-hot groups and inequalities"
    options_type: ClassVar[type[SolveOptions]] = GeneticOptions

    def __init__(self) -> None:
        require("pymoo", "genetic", BackendUnavailableError)

    def run(self, problem: Problem[Any], options: SolveOptions, energies: BlackBox | None) -> dimod.SampleSet:
        """See `ChoiceSearch.run`. With a black-box objective, repair switches options at random."""
        options = sampling.typed_options(self, options, GeneticOptions)

        def search(task: Task) -> dict[str, Any]:
            # Load pymoo at its first use, outside the measured time.
            with task.watch.stopped():
                from qubo_backends._genetic.evolution import evolve
            generations = options.generations
            if generations is None and options.time_limit is None:
                generations = min(_MOST_GENERATIONS, _GENERATIONS_PER_BIT * task.space.count.bit_length())
            return evolve(task, options, generations)

        by_default = options.generations is None and energies is None
        listed = max(options.population_size, LISTED) if by_default else options.population_size
        return run(self, problem, options, search, listed, energies)

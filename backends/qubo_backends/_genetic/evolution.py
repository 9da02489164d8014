"""Generations of pymoo's genetic algorithm, between which the clock and Ctrl-C are looked at."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.operators.selection.tournament import TournamentSelection

from qubo_backends._choices.run import Task
from qubo_backends._genetic.operators import Breeding, Different, Elitism, Ranked, fittest

# Attempts to find children that are not members already, before a population counts as run dry.
_ATTEMPTS = 5


class EvolutionOptions(Protocol):
    """The options that shape a population; see `qubo_backends.genetic.GeneticOptions`."""

    @property
    def population_size(self) -> int: ...
    @property
    def crossover_rate(self) -> float: ...
    @property
    def block_crossover(self) -> float: ...
    @property
    def mutation_rate(self) -> float | None: ...
    @property
    def elitism(self) -> float: ...
    @property
    def tournament_size(self) -> int: ...
    @property
    def patience(self) -> int: ...


def evolve(task: Task, rates: EvolutionOptions, generations: int | None) -> dict[str, Any]:
    """Evolve populations, one after another, each until it finds nothing better any more.

    Args:
        task: to work on; at least one site.
        rates: see there.
        generations: of all populations together; None: until the watch says so.

    Returns:
        Generations, and populations begun.
    """
    population, age, done, begun = None, 0, 0, 0
    best = (float("inf"), float("inf"))
    while generations is None or done < generations:
        if population is None:
            population, age, begun = _population(task, rates), 0, begun + 1
            best = (float("inf"), float("inf"))
        members = population.ask()
        done += 1
        if members is None:
            population = None
        else:
            excess, energies = task.judge(np.array([member.X for member in members]))
            # Violations set as they are: computed by pymoo from constraints they take longer than all else.
            members.set("F", energies[:, None], "CV", excess[:, None])
            population.tell(infills=members)
            first = population.pop[0]
            found = (float(first.CV[0]), float(first.F[0]))
            age = 0 if found < best else age + 1
            best = min(best, found)
            if age >= rates.patience:
                population = None
        if task.over:
            break
    return {"generations": done, "populations": begun}


def _population(task: Task, rates: EvolutionOptions) -> Any:
    breeding = Breeding(
        task,
        TournamentSelection(func_comp=fittest, pressure=rates.tournament_size),
        crossover=rates.crossover_rate,
        blocks=rates.block_crossover,
        mutation=1.0 / task.space.sites if rates.mutation_rate is None else rates.mutation_rate,
        attempts=_ATTEMPTS,
    )
    algorithm = Ranked(
        pop_size=rates.population_size,
        sampling=task.repaired(task.space.random(rates.population_size, task.rng)),
        survival=Elitism(rates.elitism),
        mating=breeding,
        eliminate_duplicates=Different(),
        # Members stand in the order of their fitness from the first generation on.
        advance_after_initial_infill=True,
        output=None,
    )
    # Evaluated by the task, so that pymoo's problem is its shape alone.
    shape = Problem(n_var=task.space.sites, n_obj=1)
    return algorithm.setup(shape, termination=NoTermination(), seed=int(task.rng.integers(2**32)))

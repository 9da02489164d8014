"""Operators for pymoo on choices: a gene is the option of one site, so that no operator can break a one-hot group."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.infill import InfillCriterion
from pymoo.core.population import Population
from pymoo.core.survival import Survival

from qubo_backends._choices.run import Task
from qubo_backends._choices.space import Choices

Rng = np.random.Generator


class Breeding(InfillCriterion):
    """Children of a population, as arrays from the genes of the parents to those of the children.

    pymoo's own operators pass genes on from object to object, which takes longer than all else.

    Args:
        task: whose options.
        selection: of parents.
        crossover: share of the pairs whose children mix them.
        blocks: share of these that exchange a contiguous run of genes.
        mutation: share of the genes that are drawn anew.
        attempts: to find children that are not members already, before a population counts as run dry.
    """

    def __init__(
        self, task: Task, selection: Any, *, crossover: float, blocks: float, mutation: float, attempts: int
    ) -> None:
        super().__init__(eliminate_duplicates=Different(), n_max_iterations=attempts)
        self._task, self._selection = task, selection
        self._crossover, self._blocks, self._mutation = crossover, blocks, mutation

    def _do(self, problem: Any, pop: Any, n_offsprings: int, *, random_state: Rng, **_: Any) -> Any:
        pairs = -(-n_offsprings // 2)
        chosen = self._selection.do(problem, pop, pairs, n_parents=2, to_pop=False, random_state=random_state)
        parents = np.array([member.X for member in pop])[chosen.T]
        children = exchanged(parents, random_state, self._crossover, self._blocks).reshape(2 * pairs, -1)
        redrawn(children, self._task.space.sizes, random_state, self._mutation)
        return Population.new("X", self._task.repaired(children))


def exchanged(parents: NDArray[np.int32], rng: Rng, crossover: float, blocks: float) -> NDArray[np.int32]:
    """[2, pairs, sites] children that exchange single genes (uniform), or one run of contiguous genes (two points).

    Neighbouring genes are neighbouring units of a network: what has grown together stays together in a run.

    Args:
        parents: [2, pairs, sites].
        rng: of every random choice.
        crossover: share of the pairs that exchange anything.
        blocks: share of these that exchange a run.
    """
    _, pairs, sites = parents.shape
    swapped = rng.random((pairs, sites)) < 0.5
    ends = np.sort(rng.integers(0, sites + 1, (pairs, 2)), axis=1)
    place = np.arange(sites)
    inside = (place >= ends[:, :1]) & (place < ends[:, 1:])
    mask = np.where(rng.random((pairs, 1)) < blocks, inside, swapped) & (rng.random((pairs, 1)) < crossover)
    return np.where(mask, parents[::-1], parents)


def redrawn(genes: Choices, sizes: NDArray[np.int64], rng: Rng, rate: float) -> None:
    """Give a share of [k, sites] genes another option of their site, in place, each of the others equally likely.

    Every child changes in one gene at least: a copy of a parent is no new state.
    """
    drawn = rng.random(genes.shape) < rate
    drawn[np.arange(len(genes)), rng.integers(0, genes.shape[1], len(genes))] |= ~drawn.any(axis=1)
    step = rng.integers(1, np.maximum(sizes, 2), genes.shape)
    genes[...] = (genes + drawn * step) % sizes


class Different(DuplicateElimination):
    """No two members are the same state; pymoo's own compares all pairs, in all their genes."""

    def _do(self, pop: Any, other: Any, is_duplicate: NDArray[np.bool_]) -> NDArray[np.bool_]:
        known = set() if other is None else {member.X.tobytes() for member in other}
        for place, member in enumerate(pop):
            key = member.X.tobytes()
            is_duplicate[place] = key in known
            known.add(key)
        return is_duplicate


class Elitism(Survival):
    """The best survive, best first: children, and of their parents no more than the elite.

    Args:
        share: of the population that may be older than the last generation; 1.0 lets all compete with the children.
    """

    def __init__(self, share: float) -> None:
        super().__init__(filter_infeasible=False)
        self._share = share

    def _do(self, _problem: Any, pop: Any, *, n_survive: int, algorithm: Any, **_: Any) -> Any:
        energies = np.array([member.F[0] for member in pop])
        order = np.lexsort((energies, [member.CV[0] for member in pop]))
        old = np.array([member.data["n_gen"] for member in pop])[order] < algorithm.n_iter
        elite = max(1, round(self._share * n_survive))
        kept = ~old | (np.cumsum(old) <= elite)
        # Where duplicates left few children, the next parents fill their places.
        places = np.concatenate([np.flatnonzero(kept), np.flatnonzero(~kept)])[:n_survive]
        return pop[order[np.sort(places)]]


class Ranked(GA):
    """pymoo's genetic algorithm with a population that stands in the order of its fitness, so the optimum is known."""

    def _set_optimum(self) -> None:
        self.opt = self.pop[:1]


def fittest(_pop: Any, entrants: NDArray[np.int64], **_: Any) -> NDArray[np.int64]:
    """[k, 1] winner of each of [k, tournament size] entrants; members stand in the order of their fitness."""
    return np.asarray(entrants.min(axis=1, keepdims=True))

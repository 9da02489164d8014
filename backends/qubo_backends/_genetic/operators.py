"""Operators of pymoo on choices: a gene is the option of one site, so that no operator can break a one-hot group."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.core.crossover import Crossover
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.mutation import Mutation
from pymoo.core.repair import Repair
from pymoo.core.sampling import Sampling
from pymoo.core.survival import Survival

from qubo_backends._choices.run import Task
from qubo_backends._choices.space import Choices

Rng = np.random.Generator


class RandomChoices(Sampling):
    """Options, each equally likely."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._space = task.space

    def _do(self, _problem: Any, n_samples: int, *, random_state: Rng, **_: Any) -> Choices:
        return self._space.random(n_samples, random_state)


class Exchange(Crossover):
    """Two children of two parents: they exchange single genes (uniform), or one run of contiguous genes (two points).

    Neighbouring genes are neighbouring units of a network: what has grown together stays together in a run.

    Args:
        prob: share of the pairs that exchange anything.
        blocks: share of these that exchange a run.
    """

    def __init__(self, prob: float, blocks: float) -> None:
        super().__init__(2, 2, prob=prob)
        self._blocks = blocks

    def _do(self, _problem: Any, parents: NDArray[np.int32], *, random_state: Rng, **_: Any) -> NDArray[np.int32]:
        _, pairs, sites = parents.shape
        swapped = random_state.random((pairs, sites)) < 0.5
        ends = np.sort(random_state.integers(0, sites + 1, (pairs, 2)), axis=1)
        place = np.arange(sites)
        inside = (place >= ends[:, :1]) & (place < ends[:, 1:])
        mask = np.where(random_state.random((pairs, 1)) < self._blocks, inside, swapped)
        return np.where(mask, parents[::-1], parents)


class Redraw(Mutation):
    """Genes get another option of their site, each of the others equally likely.

    Args:
        task: whose options.
        rate: share of the genes.
    """

    def __init__(self, task: Task, rate: float) -> None:
        super().__init__(prob=1.0)
        self._sizes, self._rate = task.space.sizes, rate

    def _do(self, _problem: Any, genes: Any, *, random_state: Rng, **_: Any) -> Choices:
        genes = np.asarray(genes, np.int32)
        step = random_state.integers(1, np.maximum(self._sizes, 2), genes.shape)
        drawn = random_state.random(genes.shape) < self._rate
        return np.asarray((genes + drawn * step) % self._sizes, np.int32)


class Mend(Repair):
    """Linear inequalities are met again, see `qubo_backends._choices.repair`."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._task = task

    def _do(self, _problem: Any, genes: Any, **_: Any) -> Choices:
        return self._task.repaired(np.asarray(genes, np.int32))


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
        order = np.lexsort((pop.get("F")[:, 0], pop.get("CV")[:, 0]))
        old = pop.get("n_gen")[order] < algorithm.n_iter
        elite = max(1, round(self._share * n_survive))
        kept = ~old | (np.cumsum(old) <= elite)
        # Where duplicates left few children, the next parents fill their places.
        places = np.concatenate([np.flatnonzero(kept), np.flatnonzero(~kept)])[:n_survive]
        return pop[order[np.sort(places)]]


def fittest(_pop: Any, entrants: NDArray[np.int64], **_: Any) -> NDArray[np.int64]:
    """[k, 1] winner of each of [k, tournament size] entrants; members stand in the order of their fitness."""
    return entrants.min(axis=1, keepdims=True)

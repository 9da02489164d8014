"""The states of a problem as choices: one option for every site, and what many of them are worth at once."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import choice_problem
from qubo_dnn.problem import Problem

Choices = NDArray[np.int32]
Reals = NDArray[np.float64]

# Above so many variables interactions are multiplied in float32, which takes half the time and the memory; the energies
# of what is returned are computed anew in float64.
_SINGLE_FROM = 1500


class ChoiceSpace:
    """What can be chosen, and what it is worth, in arrays over many choices at once.

    A site is a one-hot group, or a free variable, of which option 0 is "off". Every option of every site is a slot;
    slots are numbered site by site.

    Args:
        problem: its constraints are one-hot groups and linear inequalities.

    Attributes:
        sizes: [sites] number of options.
        firsts: [sites] the first slot of every site.
        site_of: [slots] the site of every slot.
        costs: [slots, constraints] what a slot adds to the left side of every inequality.
        lowers, uppers: [constraints] within these a left side counts as met.
        constants: [constraints] of the left sides.
        scales: [constraints] > 0, the units in which violations are added up.
    """

    def __init__(self, problem: Problem[Any]) -> None:
        self._choices = choice_problem(problem)
        model = self._choices.model
        self.sizes = model.sizes
        self.firsts = np.cumsum([0, *model.sizes])[:-1].astype(np.int64)
        self.site_of = np.repeat(np.arange(len(model.sizes)), model.sizes)
        self._n = len(model.linear)
        option = np.arange(len(self.site_of)) - self.firsts[self.site_of]
        variable = model.firsts[self.site_of] + option - model.offs[self.site_of]
        # "Off" has no variable: it reads the zero that stands behind the last one.
        self._variable_of = np.where(option >= model.offs[self.site_of], variable, self._n)
        weights = scipy.sparse.csr_array(
            (model.term_weights, model.term_constraints, model.terms), shape=(self._n, len(model.constants))
        )
        table = np.vstack([weights.toarray(), np.zeros((1, len(model.constants)))])
        self.costs: Reals = np.asarray(table[self._variable_of], float)
        self.constants, self.scales = model.constants, self._choices.scales
        self.lowers, self.uppers = self._choices.strict_lowers, self._choices.strict_uppers
        self.linear: Reals = np.append(model.linear, 0.0)[self._variable_of]
        self._interactions = self._matrix()
        rank = model.factor.shape[1]
        self._factor_rows = model.factor_rows if rank else None

    @property
    def sites(self) -> int:
        """Number of sites."""
        return len(self.sizes)

    @cached_property
    def largest(self) -> int:
        """Most options of any site, at least 1."""
        return int(self.sizes.max(initial=1))

    @cached_property
    def count(self) -> int:
        """How many states there are, within the constraints or not."""
        return math.prod(self.sizes.tolist())

    @cached_property
    def flat(self) -> bool:
        """Return whether no state is better than another: no bias, and no inequality."""
        biased = self.linear.any() or self._choices.model.values.any() or self._factor_rows is not None
        return not (biased or len(self.constants))

    def all(self) -> Choices:
        """[count, sites] every state; for few of them."""
        steps = np.append(np.cumprod(self.sizes[::-1])[::-1], 1)[1:]
        return np.asarray(np.arange(self.count)[:, None] // steps % self.sizes, np.int32)

    def slots(self, choices: Choices) -> NDArray[np.int64]:
        """[k, sites] slots of [k, sites] options."""
        return self.firsts + choices

    def states(self, choices: Choices) -> NDArray[np.int8]:
        """[k, n] of 0 and 1 in the problem's order."""
        return self._choices.states(choices)

    def random(self, count: int, rng: np.random.Generator) -> Choices:
        """[count, sites] options, each equally likely."""
        return rng.integers(0, self.sizes, (count, self.sites), np.int32)

    def energies(self, choices: Choices) -> Reals:
        """[k] energies of [k, sites] options, without the offset."""
        slots = self.slots(choices)
        marked, taken = self._marked(slots)
        total: Reals = self.linear[slots].sum(axis=1)
        total += np.take_along_axis(self._rates(marked), taken, 1).sum(axis=1, dtype=float) / 2.0
        if self._factor_rows is not None:
            total += np.square(self._sums(marked), dtype=float).sum(axis=1) / 2.0
        return total

    def changes(self, choices: Choices) -> Reals:
        """[k, slots] by how much the energy rises when a site alone changes to the slot; 0 where it is there."""
        slots = self.slots(choices)
        marked, _ = self._marked(slots)
        rates = self._rates(marked)[:, self._variable_of].astype(float) + self.linear
        if self._factor_rows is not None:
            rows = self._factor_rows
            pulls = np.zeros((len(choices), self._n + 1))
            pulls[:, :-1][:, rows >= 0] = (self._sums(marked) @ self._choices.model.factor.T)[:, rows[rows >= 0]]
            rates += pulls[:, self._variable_of]
        now = np.take_along_axis(rates, slots, 1)
        rates -= now[:, self.site_of]
        if self._factor_rows is not None:
            rates += self._distances[np.arange(len(self.site_of)), choices[:, self.site_of]]
        return rates

    def activities(self, choices: Choices) -> Reals:
        """[k, constraints] left sides."""
        total: Reals = self.constants + np.zeros((len(choices), 1))
        for column in range(len(self.constants)):
            total[:, column] += self.costs[:, column][self.slots(choices)].sum(axis=1)
        return total

    def excess(self, activities: Reals) -> Reals:
        """Sum over the constraints, on the last axis, of what left sides break them by in units of `scales`."""
        beyond = np.maximum(np.maximum(activities - self.uppers, self.lowers - activities), 0.0)
        return np.asarray((beyond / self.scales).sum(axis=-1))

    def _matrix(self) -> Any:
        """The symmetric interactions [n, n]: an array where rows are dense, a sparse one otherwise."""
        model, n = self._choices.model, self._n
        values = model.values.astype(np.float32) if n > _SINGLE_FROM else model.values.astype(float)
        if len(model.columns):
            return scipy.sparse.csr_array((values, model.columns, model.starts), shape=(n, n))
        return values.reshape(n, n)

    def _marked(self, slots: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """[k, n] of 0 and 1, and [k, sites] the variables that are 1; n where there is none."""
        taken = self._variable_of[slots]
        marked = np.zeros((len(slots), self._n + 1), self._interactions.dtype)
        np.put_along_axis(marked, taken, 1, axis=1)
        return marked[:, :-1], taken

    def _rates(self, marked: NDArray[Any]) -> NDArray[Any]:
        """[k, n + 1] sums of the interactions with the variables that are 1; 0 in the last column."""
        rates = np.zeros((len(marked), self._n + 1), marked.dtype)
        rates[:, :-1] = (
            (self._interactions @ marked.T).T
            if scipy.sparse.issparse(self._interactions)
            else (marked @ self._interactions)
        )
        return rates

    def _sums(self, marked: NDArray[Any]) -> NDArray[np.float32]:
        """[k, rank] sums of the factor's rows of the variables that are 1."""
        assert self._factor_rows is not None
        factor, rows = self._choices.model.factor, self._factor_rows
        mine = np.zeros((len(marked), len(factor)), np.float32)
        mine[:, rows[rows >= 0]] = marked[:, rows >= 0]
        return np.asarray(mine @ factor)

    @cached_property
    def _distances(self) -> Reals:
        """[slots, options] half the squared distance of a slot's row of the factor from that of every option there."""
        model = self._choices.model
        distances = np.zeros((len(self.site_of), self.largest))
        for a, (size, off) in enumerate(zip(model.sizes, model.offs, strict=True)):
            gram = np.zeros((size, size))
            gram[off:, off:] = model.gram[model.gram_starts[a] : model.gram_starts[a + 1]].reshape(size - off, -1)
            norms = np.diag(gram)
            distances[self.firsts[a] : self.firsts[a] + size, :size] = (norms[:, None] + norms) / 2.0 - gram
        return distances

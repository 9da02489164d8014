"""The states of a problem as choices: one option for every site, and what many of them are worth at once."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._pt.choices.couplings import read_couplings
from qubo_backends._shared.constraint_arrays import read_constraints
from qubo_dnn.arrays import factor_rows
from qubo_dnn.problem import Problem
from qubo_dnn.sites import OFF, Sites

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
        problem: its constraints are one-hot groups and inequalities.

    Attributes:
        sizes: [sites] number of options.
        firsts: [sites] the first slot of every site.
        site_of: [slots] the site of every slot.
        costs: [slots, constraints] what a slot adds to the left side of every inequality; where that depends on other
            sites, the most by which it changes the left side.
        quadratic: numbers of the inequalities that are.
        lowers, uppers: [constraints] within these a left side counts as met.
        constants: [constraints] of the left sides.
        scales: [constraints] > 0, the units in which violations are added up.
        flat: True if no state is better than another: there is no bias, and no inequality.
    """

    def __init__(self, problem: Problem[Any]) -> None:
        self._n = len(problem.variables)
        # In the order of the variables: neighbouring genes are neighbouring units of a network.
        self._sites = Sites.of_problem(problem).in_order(np.zeros(self._n, np.int64))
        self.sizes, self.firsts = np.diff(self._sites.starts), self._sites.starts[:-1]
        self.site_of = self._sites.site_of
        constraints, forms = read_constraints(problem, list(problem.constraints.values()), self._sites.site_of_variable)
        self.costs: Reals = np.ascontiguousarray(self._sites.at_options(constraints.weights.toarray()).T)
        self.constants, self.scales = constraints.offsets, constraints.scales
        self.lowers, self.uppers = constraints.bounds()
        self.quadratic = tuple(forms)
        self._forms = {
            column: (self._sites.at_options(form.linear), scipy.sparse.csr_array(form.couplings))
            for column, form in forms.items()
        }
        linear, couplings = read_couplings(problem, np.arange(self._n), self._sites.site_of_variable)
        self.linear: Reals = self._sites.at_options(linear)
        self._interactions = self._matrix(*couplings)
        form = problem.low_rank
        self._factor = None if form is None or not form.factor.shape[1] else form.factor
        self._factor_rows = factor_rows(problem)
        biased = self.linear.any() or couplings[2].any() or self._factor is not None
        self.flat = not (biased or problem.constraints)

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
        return self._sites.states

    def all(self) -> Choices:
        """[count, sites] every state; for few of them."""
        return self._sites.numbered(np.arange(self.count))

    def slots(self, choices: Choices) -> NDArray[np.int64]:
        """[k, sites] slots of [k, sites] options."""
        return self.firsts + choices

    def states(self, choices: Choices) -> NDArray[np.int8]:
        """[k, n] of 0 and 1 in the problem's order."""
        return self._sites.bits(choices)

    def random(self, count: int, rng: np.random.Generator) -> Choices:
        """[count, sites] options, each equally likely."""
        return rng.integers(0, self.sizes, (count, self.sites), np.int32)

    def energies(self, choices: Choices) -> Reals:
        """[k] energies of [k, sites] options, without the offset."""
        slots, marked = self.slots(choices), self._marked(choices)
        rates = self._sites.at_options(marked @ self._interactions)
        total: Reals = self.linear[slots].sum(axis=1)
        total += np.take_along_axis(rates, slots, 1).sum(axis=1, dtype=float) / 2.0
        if self._factor is not None:
            total += np.square(self._sums(marked), dtype=float).sum(axis=1) / 2.0
        return total

    def changes(self, choices: Choices) -> Reals:
        """[k, slots] by how much the energy rises when a site alone changes to the slot; 0 where it is there."""
        marked = self._marked(choices)
        rates = self._sites.at_options(marked @ self._interactions).astype(float) + self.linear
        if self._factor is not None:
            rows = self._factor_rows
            pulls = np.zeros((len(choices), self._n))
            pulls[:, rows >= 0] = (self._sums(marked) @ self._factor.T)[:, rows[rows >= 0]]
            rates += self._sites.at_options(pulls)
        now = np.take_along_axis(rates, self.slots(choices), 1)
        rates -= now[:, self.site_of]
        if self._factor is not None:
            rates += self._distances[np.arange(len(self.site_of)), choices[:, self.site_of]]
        return rates

    def activities(self, choices: Choices) -> Reals:
        """[k, constraints] left sides."""
        total: Reals = self.constants + np.zeros((len(choices), 1))
        slots = self.slots(choices)
        for column in range(len(self.constants)):
            if column in self._forms:
                # The mean of slopes and linear coefficients counts every interaction once.
                weights = (self.slopes(choices, column) + self._forms[column][0]) / 2.0
                total[:, column] += np.take_along_axis(weights, slots, 1).sum(axis=1)
            else:
                total[:, column] += self.costs[:, column][slots].sum(axis=1)
        return total

    def slopes(self, choices: Choices, column: int) -> Reals:
        """[k, slots] what every slot adds to a quadratic left side, given the other sites' options."""
        linear, couplings = self._forms[column]
        return np.asarray(linear + self._sites.at_options(self.states(choices).astype(float) @ couplings))

    def interactions(self, column: int, site: int) -> tuple[NDArray[np.int64], Reals]:
        """[m] slots that interact with a site in a quadratic left side, and [options, m] with each of its options."""
        variables = self._sites.variables[self.firsts[site] : self.firsts[site] + self.sizes[site]]
        rows = self._forms[column][1][variables]
        columns = np.unique(rows.indices)
        return self._slot_of[columns], rows[:, columns].toarray() * (variables != OFF)[:, None]

    @cached_property
    def _slot_of(self) -> NDArray[np.int64]:
        """[n] slot of every variable."""
        on = np.flatnonzero(self._sites.variables != OFF)
        slots = np.empty(self._n, np.int64)
        slots[self._sites.variables[on]] = on
        return slots

    def steps(self, choices: Choices) -> Reals:
        """[k, slots, constraints] changes of the left sides when a site alone changes to the slot."""
        now = self.slots(choices)[:, self.site_of]
        steps = self.costs - self.costs[now]
        for column in self._forms:
            slopes = self.slopes(choices, column)
            steps[:, :, column] = slopes - np.take_along_axis(slopes, now, 1)
        return steps

    def least(self, column: int) -> Choices:
        """[sites] options with a quadratic left side that no single switch brings nearer to what is allowed.

        They are those of the least left side of "<=", and the largest of ">=", where interactions have one sign.
        """
        sign = 1.0 if np.isfinite(self.uppers[column]) else -1.0
        choices = np.zeros((1, self.sites), np.int32)
        slopes = sign * self.slopes(choices, column)[0]
        moved = True
        while moved:
            moved = False
            for site, (first, size) in enumerate(zip(self.firsts, self.sizes, strict=True)):
                mine = slopes[first : first + size]
                old, new = int(choices[0, site]), int(np.argmin(mine))
                if mine[new] < mine[old]:
                    choices[0, site], moved = new, True
                    slots, values = self.interactions(column, site)
                    slopes[slots] += sign * (values[new] - values[old])
        return np.asarray(choices[0], np.int32)

    def excess(self, activities: Reals) -> Reals:
        """Sum over the constraints, on the last axis, of what left sides break them by in units of `scales`."""
        beyond = np.maximum(np.maximum(activities - self.uppers, self.lowers - activities), 0.0)
        return np.asarray((beyond / self.scales).sum(axis=-1))

    def _matrix(self, starts: NDArray[np.int64], columns: NDArray[np.int32], values: NDArray[Any]) -> Any:
        """The symmetric interactions [n, n]: an array where rows are dense, a sparse one otherwise."""
        values = values.astype(np.float32 if self._n > _SINGLE_FROM else float)
        shape = self._n, self._n
        return scipy.sparse.csr_array((values, columns, starts), shape=shape) if len(columns) else values.reshape(shape)

    def _marked(self, choices: Choices) -> NDArray[Any]:
        """[k, n] of 0 and 1, to be multiplied by the interactions."""
        return self.states(choices).astype(self._interactions.dtype)

    def _sums(self, marked: NDArray[Any]) -> NDArray[np.float32]:
        """[k, rank] sums of the factor's rows of the variables that are 1."""
        assert self._factor is not None
        rows = self._factor_rows
        mine = np.zeros((len(marked), len(self._factor)), np.float32)
        mine[:, rows[rows >= 0]] = marked[:, rows >= 0]
        return np.asarray(mine @ self._factor)

    @cached_property
    def _distances(self) -> Reals:
        """[slots, options] half the squared distance of a slot's row of the factor from that of every option there."""
        assert self._factor is not None
        distances = np.zeros((len(self.site_of), self.largest))
        for first, options in zip(self.firsts, self._sites.each(), strict=True):
            rows = np.where(options == OFF, -1, self._factor_rows[options])
            mine = self._factor[rows].astype(float) * (rows >= 0)[:, None]
            gram = mine @ mine.T
            norms, size = np.diag(gram), len(options)
            distances[first : first + size, :size] = (norms[:, None] + norms) / 2.0 - gram
        return distances

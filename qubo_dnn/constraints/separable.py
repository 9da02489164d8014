"""Separable problems: a linear objective over sites of one option each, within linear inequalities.

Prices for what the inequalities ration give a lower bound, the Lagrangian dual, and for every option its reduced cost:
by how much more than the bound a state costs at least that takes it. Few options have a small one. Going through them
in ascending order, all states are listed whose reduced costs add up to less than the gap between the best answer and
the bound, so that the best of them is the optimum; where these are too many, the reduced costs of those that are left
out tell how far the answer is from it at most. With one inequality this is the multiple-choice knapsack.

Source: Kelley 1960, "The cutting-plane method for solving convex programs" (prices); Sinha & Zoltners 1979, "The
multiple-choice knapsack problem" (reduced costs).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.arrays import Floats, LinearConstraints
from qubo_dnn.constraint import ConstraintKind
from qubo_dnn.problem import Problem
from qubo_dnn.sites import Sites

Integers = NDArray[np.int64]
Rows = NDArray[np.int32]

# Most steps for the prices, their relative accuracy, and how far they reach at first, in typical prices.
_STEPS, _ACCURACY, _REACH = 300, 1e-10, 16.0
# Most states that are kept at a time, and most sites that are gone through.
_STATES, _SITES = 1 << 16, 256
# Most inequalities.
_MOST = 8


class Packing(NamedTuple):
    """Answers to a separable problem.

    Attributes:
        choices: [k, S] option of every site, counted from 0 in each; the best answer first, and none if none was found.
        values: [k] of the objective.
        bound: no choice within the limits has a lower value, rounding errors included.
        optimal: True if the first answer is proven to be optimal, up to rounding errors.

    Example:
        >>> found = Packing(np.array([[0, 2]]), np.array([3.5]), bound=3.25, optimal=False)
        >>> float(found.values[0]) - found.bound
        0.25
    """

    choices: Integers
    values: Floats
    bound: float
    optimal: bool


def is_separable(problem: Problem[Any]) -> bool:
    """Return whether no two variables of the objective interact, within groups and a few linear inequalities alone.

    Prices of many inequalities at a time are slow to find, and leave gaps.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> [is_separable(get_formulation(name).example(0).compile()) for name in ("knapsack", "max-cut")]
        [True, False]
    """
    kinds = problem.constraint_kinds - {ConstraintKind.ONE_HOT, ConstraintKind.INEQUALITY}
    if kinds or len(problem.constraints) > _MOST or problem.auxiliaries or problem.low_rank is not None:
        return False
    return bool(problem.objective.is_linear())


def packed(problem: Problem[Any], count: int = 1) -> tuple[Packing, Sites]:
    """Solve a separable problem; `pack` without the arrays.

    Args:
        problem: see `is_separable`; without constant constraints.
        count: see `pack`.

    Returns:
        The answers, their values with the offset of the objective, and the sites that they choose for.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4)
        >>> found, sites = packed(knapsack.compile())
        >>> sites.bits(found.choices).tolist(), found.values.tolist(), found.optimal
        ([[0, 1, 1]], [-5.0], True)
    """
    sites = Sites.of_problem(problem)
    rows = LinearConstraints.of(problem.constraints.values(), problem.index)
    weights, limits = rows.upper_form()
    linear = problem.objective.to_numpy_vectors(variable_order=problem.variables).linear_biases.astype(float)
    found = pack(
        sites.at_options(linear), sites.starts, sites.at_options(weights), limits + rows.tolerances, count=count
    )
    offset = float(problem.objective.offset)
    return found._replace(values=found.values + offset, bound=found.bound + offset), sites


def pack(energies: Floats, starts: Integers, weights: Floats, limits: Floats, count: int = 1) -> Packing:
    """Choose an option for every site such that their energies add up to least within the limits.

    Args:
        energies: [N] of the options, site by site.
        starts: [S + 1] where the options of every site begin.
        weights: [B, N] of the options in every inequality.
        limits: [B] largest sums of weights.
        count: largest number of answers, >= 1: the best different ones.

    Example:
        >>> energies, costs = np.array([9.0, 1.0, 0.0, 5.0, 2.0]), np.array([[0.0, 2.0, 4.0, 0.0, 3.0]])
        >>> pack(energies, np.array([0, 3, 5]), costs, np.array([5.0])).choices.tolist()
        [[1, 1]]
    """
    if len(starts) == 1:
        met = bool((limits >= 0.0).all())
        return Packing(np.zeros((int(met), 0), np.int64), np.zeros(int(met)), 0.0 if met else math.inf, met)
    bound, reduced, margin = _priced(energies, starts, weights, limits)
    search = _Listing(energies, starts, weights, limits, reduced, count, bound - 2.0 * margin)
    search.run()
    values = np.array([value for value, _, _ in search.best])
    choices = np.array([chosen for _, _, chosen in search.best], np.int64).reshape(len(values), len(starts) - 1)
    best = values[0] if len(values) else math.inf
    least = min(bound + search.omitted, best)
    return Packing(choices, values, float(least - margin), bool(least == best < math.inf))


def _priced(energies: Floats, starts: Integers, weights: Floats, limits: Floats) -> tuple[float, Floats, float]:
    """Return the highest bound of prices, [N] the reduced costs at these, and the rounding error of the bound.

    Kelley's cutting planes: the bound is concave in the prices, and the value and slope at every price tried limit it
    from above; the next prices are those at which that limit is highest.
    """
    # Imported here because scipy is slow to import.
    from scipy.optimize import linprog

    begins, site = starts[:-1], np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    spread = np.maximum.reduceat(energies, begins) - np.minimum.reduceat(energies, begins)
    typical = (float(np.median(spread[spread > 0.0])) if spread.any() else 1.0) / np.maximum(
        np.abs(weights).max(axis=1, initial=0.0), 1e-300
    )
    best, prices, reduced = -math.inf, np.zeros(len(limits)), energies
    reach, slopes, heights = _REACH, list[Floats](), list[float]()
    tried = prices
    for _ in range(_STEPS):
        priced = energies + tried @ weights
        least = np.minimum.reduceat(priced, begins)
        value = float(least.sum() - tried @ limits)
        beyond = priced - least[site]
        taken = _firsts(beyond == 0.0, site, len(begins))
        slope = weights[:, taken].sum(axis=1) - limits
        if value > best:
            best, prices, reduced = value, tried, beyond
        if not len(limits):
            break
        slopes.append(slope * typical)
        heights.append(value - float(slope @ tried))
        # In units of typical prices, and relative to the best bound, so that small gaps are seen.
        cuts = np.column_stack([np.ones(len(slopes)), -np.array(slopes)])
        top = linprog(
            np.r_[-1.0, np.zeros(len(limits))],
            A_ub=cuts,
            b_ub=np.array(heights) - best,
            bounds=[(None, None), *[(0.0, reach)] * len(limits)],
            method="highs-ds",
        )
        if top.x is None:
            break
        tried = top.x[1:] * typical
        if top.x[0] <= _ACCURACY * abs(best):
            if top.x[1:].max() < reach * (1.0 - 1e-9):
                break
            reach *= _REACH
    base = _firsts(reduced == 0.0, site, len(begins))
    size = np.abs(energies[base]).sum() + prices @ (np.abs(limits) + np.abs(weights[:, base]).sum(axis=1))
    return best, reduced, 4.0 * (len(begins) + 20.0) * float(np.finfo(float).eps * size)


def _firsts(marked: NDArray[np.bool_], site: Integers, sites: int) -> Integers:
    """Return [S] the first marked option of every site."""
    found = np.empty(sites, np.int64)
    places = np.flatnonzero(marked)[::-1]
    found[site[places]] = places
    return found


class _Listing:
    """States in order of their reduced costs; see `pack`.

    Attributes:
        best: the best answers in order: value, number, [S] options.
        omitted: least sum of reduced costs of states that were left out, and may be better than the answers.
    """

    def __init__(
        self,
        energies: Floats,
        starts: Integers,
        weights: Floats,
        limits: Floats,
        reduced: Floats,
        count: int,
        least: float,
    ) -> None:
        self._energies, self._starts, self._weights, self._limits = energies, starts, weights, limits
        self._reduced, self._count, self._least = reduced, count, least
        self._site = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        self._base = _firsts(reduced == 0.0, self._site, len(starts) - 1)
        # Of every site gone through: the row of the state that each state comes from, and the option that it takes.
        self._steps: list[tuple[Rows, Rows]] = []
        self.best: list[tuple[float, int, Integers]] = []
        self._seen = 0
        self.omitted = math.inf

    @property
    def _gap(self) -> float:
        """Largest sum of reduced costs of states that may be among the answers."""
        return self.best[-1][0] - self._least if len(self.best) == self._count else math.inf

    def run(self) -> None:
        """Go through the sites, those with the least reduced cost of a second option first."""
        base = self._base
        sums, values = np.zeros(1), np.array([self._energies[base].sum()])
        loads = self._weights[:, base].sum(axis=1)[:, None]
        self._keep(values, loads, np.zeros(1, np.int32), base[[0]].astype(np.int32))
        for number, options in enumerate(self._others()):
            site = self._site[options[0]]
            options = options[self._reduced[options] <= self._gap]
            if not len(options):
                return
            if number == _SITES:
                self.omitted = min(self.omitted, float(self._reduced[options[0]]))
                return
            changes = self._energies[options] - self._energies[base[site]]
            steps = self._weights[:, options] - self._weights[:, [base[site]]]
            parents = np.tile(np.arange(len(sums), dtype=np.int32), len(options))
            taken = np.repeat(options, len(sums)).astype(np.int32)
            new_sums = np.add.outer(self._reduced[options], sums).ravel()
            new_values = np.add.outer(changes, values).ravel()
            new_loads = (steps[:, :, None] + loads[:, None, :]).reshape(len(loads), len(taken))
            self._keep(new_values, new_loads, parents, taken)
            stay = np.arange(len(sums), dtype=np.int32)
            sums, values = np.concatenate([sums, new_sums]), np.concatenate([values, new_values])
            loads = np.concatenate([loads, new_loads], axis=1)
            parents = np.concatenate([stay, parents])
            taken = np.concatenate([np.full(len(stay), base[site], np.int32), taken])
            kept = self._cheapest(sums)
            sums, values, loads = sums[kept], values[kept], loads[:, kept]
            self._steps.append((parents[kept], taken[kept]))

    def _others(self) -> Iterator[Integers]:
        """Yield the options of every site but that of the base, by reduced cost; sites by the least of these."""
        others = np.ones(len(self._energies), bool)
        others[self._base] = False
        order = np.flatnonzero(others)
        order = order[np.argsort(self._reduced[order], kind="stable")]
        # The rank of every site is the place of its first option in this order.
        _, first, inverse = np.unique(self._site[order], return_index=True, return_inverse=True)
        order = order[np.argsort(first[inverse], kind="stable")]
        yield from np.split(order, np.flatnonzero(np.diff(self._site[order])) + 1) if len(order) else []

    def _cheapest(self, sums: Floats) -> Integers:
        """Return the rows that may lead to answers, at most `_STATES` of them."""
        kept = np.flatnonzero(sums <= self._gap)
        if len(kept) <= _STATES:
            return kept
        order = kept[np.argsort(sums[kept], kind="stable")]
        self.omitted = min(self.omitted, float(sums[order[_STATES]]))
        return np.sort(order[:_STATES])

    def _keep(self, values: Floats, loads: Floats, parents: Rows, taken: Rows) -> None:
        """Keep new states that are within the limits, if they are among the best."""
        met = np.flatnonzero((loads <= self._limits[:, None]).all(axis=0))
        met = met[values[met] <= self._gap + self._least]
        for row in met[np.argsort(values[met], kind="stable")][: self._count].tolist():
            chosen, option, before = self._base.copy(), int(taken[row]), int(parents[row])
            chosen[self._site[option]] = option
            for rows, options in reversed(self._steps):
                option, before = int(options[before]), int(rows[before])
                chosen[self._site[option]] = option
            self.best.append((float(values[row]), self._seen, chosen - self._starts[:-1]))
            self._seen += 1
        self.best = sorted(self.best, key=lambda each: each[:2])[: self._count]

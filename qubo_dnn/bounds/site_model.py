"""A problem as dense arrays over sites with one chosen option each, also with one option of every site eliminated.

Inside a one-hot group, products are 0 and squares equal the variables, so that the blocks of a quadratic form on groups
are arbitrary. Eliminating one option of every site (it is 1 minus the others) uses the group constraints too: a form
that is convex in the remaining variables need not be convex in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.arrays import LinearConstraints, dense_arrays
from qubo_dnn.problem import Problem
from qubo_dnn.sites import Sites

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
# Factor of the tolerances of constraints, so that rounding errors exclude no state.
LOOSER = 1.000001


@dataclass(frozen=True, eq=False)
class SiteModel:
    """`offset + linear'x + 1/2 x'(matrix)x` over sites with exactly one option equal to 1, and linear constraints.

    Attributes:
        offset: constant term of the energy.
        linear: [N] linear terms.
        matrix: [N, N] symmetric, 0 inside sites.
        sites: the sites; the coefficients of `OFF` are all 0.
        rows: [m, N] left sides of the constraints `rows x <= limits`, or `rows x == limits` where `equal` is True.
        limits: [m] right sides.
        equal: [m] True for equalities.
        tolerances: [m] allowed violation of each constraint.
        magnitude: upper bound on the sum of the absolute terms of the energy in any state.
        dropped: labels of the constraints that are not linear, which are missing here.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> options = site_model(knapsack)
        >>> options.linear.tolist(), options.energy(np.array([0, 3, 5]))
        ([0.0, -4.0, 0.0, -3.0, 0.0, -2.0], -5.0)
    """

    offset: float
    linear: Floats
    matrix: Floats
    sites: Sites
    rows: Floats
    limits: Floats
    equal: NDArray[np.bool_]
    tolerances: Floats
    magnitude: float
    dropped: tuple[str, ...] = ()

    def energy(self, chosen: Indices) -> float:
        """Return the energy if exactly the options `chosen` are 1, one of every site."""
        return self.offset + float(self.linear[chosen].sum() + 0.5 * self.matrix[np.ix_(chosen, chosen)].sum())

    def meets(self, chosen: Indices) -> bool:
        """Return whether the chosen options keep all constraints that are not dropped."""
        beyond = self.rows[:, chosen].sum(axis=1) - self.limits
        return bool((np.where(self.equal, np.abs(beyond), beyond) <= self.tolerances).all())


@dataclass(frozen=True, eq=False)
class ReducedSiteModel:
    """`SiteModel` with some options of every site, one of them eliminated: the base, chosen if all others are 0.

    Attributes:
        offset, linear, matrix, rows, limits: as in `SiteModel`, but over the n variables z of the options that are
            neither bases nor fixed.
        starts: [s + 1] index of the first variable of every site; sites with one option are part of the constants.
        members: [n] option of every variable.
        bases: [s] base of every site, which has no variable.
        fixed: options of the sites with one option.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> sites = reduce_sites(site_model(knapsack), np.ones(6, bool))
        >>> sites.members.tolist(), sites.bases.tolist(), sites.offset
        ([0, 2, 4], [1, 3, 5], -9.0)
    """

    offset: float
    linear: Floats
    matrix: Floats
    starts: Indices
    rows: Floats
    limits: Floats
    members: Indices
    bases: Indices
    fixed: Indices

    @property
    def site_of(self) -> Indices:
        """[n] site of every variable."""
        return np.repeat(np.arange(len(self.bases)), np.diff(self.starts))

    def sums(self, values: Floats) -> Floats:
        """Return [s] sums of [n] values by site."""
        return np.add.reduceat(values, self.starts[:-1]) if len(values) else np.zeros(0)

    def least(self, values: Floats) -> Floats:
        """Return [s] minima of 0 and the [n] values of every site."""
        return np.minimum(np.minimum.reduceat(values, self.starts[:-1]), 0.0) if len(values) else np.zeros(0)


def site_model(problem: Problem[Any]) -> SiteModel:
    """Convert a problem to `SiteModel`; a low-rank form becomes part of the matrix.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> options = site_model(knapsack)
        >>> options.rows.tolist(), options.limits.tolist()
        ([[0.0, 3.0, 0.0, 2.0, 0.0, 2.0]], [4.0])
    """
    sites = Sites.of_problem(problem)
    site_of = sites.site_of
    offset, (linear, matrix, terms) = float(problem.objective.offset), _energies(problem)
    linear = sites.at_options(linear)
    matrix, terms = (sites.at_options(sites.at_options(each).T) for each in (matrix, terms))
    matrix[site_of[:, None] == site_of[None, :]] = 0.0
    kept = {label: each for label, each in problem.constraints.items() if each.is_linear}
    constraints = LinearConstraints.of(kept.values(), problem.index)
    rows, limits = constraints.upper_form()
    return SiteModel(
        offset=offset,
        linear=linear,
        matrix=matrix,
        sites=sites,
        rows=sites.at_options(rows),
        limits=limits,
        tolerances=LOOSER * constraints.tolerances,
        equal=constraints.equal,
        magnitude=_magnitude(offset, linear, terms, sites.starts),
        dropped=tuple(label for label in problem.constraints if label not in kept),
    )


def reduce_sites(options: SiteModel, kept: NDArray[np.bool_]) -> ReducedSiteModel:
    """Restrict a problem to some of its options; the last kept option of every site becomes its base.

    Args:
        options: the problem.
        kept: [N] True for the options to keep, at least one of every site.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> knapsack = get_formulation("knapsack")(values=[4, 3, 2], weights=[3, 2, 2], capacity=4).compile()
        >>> reduce_sites(site_model(knapsack), np.array([True, True, False, True, True, True])).fixed.tolist()
        [3]
    """
    site_of = options.sites.site_of
    last = _last_kept(kept, site_of, len(options.sites.starts) - 1)
    counts = np.bincount(site_of[kept], minlength=len(last))
    fixed = last[counts == 1]
    member = kept.copy()
    member[last] = False
    members = np.flatnonzero(member)
    base = last[site_of[members]]
    matrix, linear = options.matrix, options.linear
    at_bases = matrix[:, last].sum(axis=1)
    reduced = matrix[np.ix_(members, members)] - matrix[np.ix_(members, base)]
    reduced += matrix[np.ix_(base, base)] - matrix[np.ix_(base, members)]
    own, first = np.unique(site_of[members], return_index=True)
    return ReducedSiteModel(
        offset=options.energy(last),
        linear=(linear + at_bases)[members] - (linear + at_bases)[base],
        matrix=reduced,
        starts=np.append(first, len(members)),
        rows=options.rows[:, members] - options.rows[:, base],
        limits=options.limits - options.rows[:, last].sum(axis=1),
        members=members,
        bases=last[own],
        fixed=fixed,
    )


def _last_kept(kept: NDArray[np.bool_], site_of: Indices, count: int) -> Indices:
    """Return [sites] the last kept option of every site."""
    last = np.full(count, -1, np.intp)
    options = np.flatnonzero(kept)
    last[site_of[options]] = options
    return last


def _energies(problem: Problem[Any]) -> tuple[Floats, Floats, Floats]:
    """Return [n] linear biases, the [n, n] symmetric matrix, and bounds on the absolute terms of its entries."""
    linear, matrix = dense_arrays(problem.objective, problem.index)
    terms = np.abs(matrix)
    if problem.low_rank is not None:
        rows = np.array([problem.index[variable] for variable in problem.low_rank.variables], np.intp)
        factor = problem.low_rank.factor.astype(float)
        gram = factor @ factor.T
        lengths = np.sqrt(np.diagonal(gram))
        linear[rows] += np.diagonal(gram) / 2.0
        matrix[np.ix_(rows, rows)] += gram - np.diag(np.diagonal(gram))
        terms[np.ix_(rows, rows)] += np.outer(lengths, lengths)
    return linear, matrix, terms


def _magnitude(offset: float, linear: Floats, terms: Floats, starts: Indices) -> float:
    """Return an upper bound on the sum of the absolute terms in any state with one option of every site."""
    if not len(linear):
        return abs(offset)
    pairs = np.maximum.reduceat(np.maximum.reduceat(terms, starts[:-1], axis=0), starts[:-1], axis=1)
    return abs(offset) + float(np.maximum.reduceat(np.abs(linear), starts[:-1]).sum() + pairs.sum() / 2.0)

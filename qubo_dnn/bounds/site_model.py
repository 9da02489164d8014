"""A problem as sites that take one option each, dense; and the same with one option of every site left out.

Inside a one-hot group products are 0 and squares are the variables themselves, so a quadratic may have anything on
these blocks. Leaving one option of every site out (it is 1 minus the others) uses the groups themselves as well: what
is convex in the remaining variables need not be so in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.problem import Problem
from qubo_dnn.sites import Sites

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
# By how much, of its size or of 1, a constraint may be exceeded and still counts as met (`Constraint.excess`), and a
# little more, so that rounding of that product excludes no state.
TOLERANCE = 1.000001e-9


@dataclass(frozen=True, eq=False)
class SiteModel:
    """`offset + linear'x + 1/2 x'(matrix)x` over sites of which exactly one option is 1, and linear constraints.

    Attributes:
        offset: of the energy.
        linear: [N].
        matrix: [N, N] symmetric, 0 inside sites.
        starts: [S + 1] where the options of every site begin.
        columns: [N] index of the problem's variable; `OFF` for the first option of a free variable, all of whose
            coefficients are 0.
        rows: [m, N] left sides of constraints `rows x <= limits`, or `== limits` where `equal`.
        limits: [m].
        equal: [m].
        tolerances: [m] by how much a constraint may be exceeded.
        magnitude: at least the sum of the sizes of all terms of the energy, in any state.
        dropped: labels of constraints that are not linear, which are left out.
    """

    offset: float
    linear: Floats
    matrix: Floats
    starts: Indices
    columns: Indices
    rows: Floats
    limits: Floats
    equal: NDArray[np.bool_]
    tolerances: Floats
    magnitude: float
    dropped: tuple[str, ...] = ()

    @property
    def site_of(self) -> Indices:
        """[N] site of every option."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def energy(self, chosen: Indices) -> float:
        """Energy where exactly the options `chosen` are 1, one of every site."""
        return self.offset + float(self.linear[chosen].sum() + 0.5 * self.matrix[np.ix_(chosen, chosen)].sum())

    def meets(self, chosen: Indices) -> bool:
        """Whether they keep all constraints that were not dropped."""
        beyond = self.rows[:, chosen].sum(axis=1) - self.limits
        return bool((np.where(self.equal, np.abs(beyond), beyond) <= self.tolerances).all())


@dataclass(frozen=True, eq=False)
class ReducedSiteModel:
    """A `SiteModel` with some options of every site, one of them without a variable: it is taken if all others are 0.

    Attributes:
        offset, linear, matrix, rows, limits: as of `SiteModel`, over the n variables z; limits of what is left.
        starts: [s + 1] where the variables of every site begin; sites with one option are part of the constants.
        members: [n] option of every variable.
        bases: [s] option of every site that has no variable.
        fixed: options of the sites with one option.
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

    def sums(self, values: Floats) -> Floats:
        """[s] sums of [n] values by site."""
        return np.add.reduceat(values, self.starts[:-1]) if len(values) else np.zeros(0)

    def least(self, values: Floats) -> Floats:
        """[s] the least of 0 and the [n] values of a site."""
        return np.minimum(np.minimum.reduceat(values, self.starts[:-1]), 0.0) if len(values) else np.zeros(0)


def site_model(problem: Problem[Any]) -> SiteModel:
    """A problem's arrays; its low-rank form is written out."""
    place = {variable: index for index, variable in enumerate(problem.variables)}
    sites = Sites.of_problem(problem)
    columns, starts, site_of = sites.variables, sites.starts, sites.site_of
    linear, matrix, terms = _energies(problem, place)
    n, offset = len(place), float(problem.objective.offset)
    linear, matrix, terms = np.append(linear, 0.0), np.pad(matrix, (0, 1)), np.pad(terms, (0, 1))
    used = matrix[np.ix_(columns, columns)]
    used[site_of[:, None] == site_of[None, :]] = 0.0
    kept = {label: each for label, each in problem.constraints.items() if each.is_linear}
    rows, limits = np.zeros((len(kept), n + 1)), np.zeros(len(kept))
    for row, each in enumerate(kept.values()):
        sign = -1.0 if each.sense == ">=" else 1.0
        for variable, weight in each.lhs.linear.items():
            rows[row, place[variable]] = sign * float(weight)
        limits[row] = sign * (each.rhs - float(each.lhs.offset))
    return SiteModel(
        offset=offset,
        linear=linear[columns],
        matrix=used,
        starts=starts,
        columns=columns,
        rows=rows[:, columns],
        limits=limits,
        tolerances=np.array([TOLERANCE * max(1.0, abs(each.rhs)) for each in kept.values()], float),
        equal=np.array([each.sense == "==" for each in kept.values()], bool),
        magnitude=_magnitude(offset, linear[columns], terms[np.ix_(columns, columns)], starts),
        dropped=tuple(label for label in problem.constraints if label not in kept),
    )


def reduce_sites(options: SiteModel, kept: NDArray[np.bool_]) -> ReducedSiteModel:
    """The options that are kept, at least one of every site; the last of every site's becomes its base."""
    site_of = options.site_of
    last = _last_kept(kept, site_of, len(options.starts) - 1)
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
    """[sites] the last option of every site that is kept."""
    last = np.full(count, -1, np.intp)
    options = np.flatnonzero(kept)
    last[site_of[options]] = options
    return last


def _energies(problem: Problem[Any], place: dict[Any, int]) -> tuple[Floats, Floats, Floats]:
    """[n] linear biases, the [n, n] symmetric matrix, and a bound of the sizes of the terms that make it up."""
    n = len(place)
    linear, (ends, others, biases), _ = problem.objective.to_numpy_vectors(variable_order=problem.variables)
    linear, matrix = np.array(linear, float), np.zeros((n, n))
    matrix[ends, others] = biases
    matrix += matrix.T
    terms = np.abs(matrix)
    if problem.low_rank is not None:
        rows = np.array([place[variable] for variable in problem.low_rank.variables], np.intp)
        factor = problem.low_rank.factor.astype(float)
        gram = factor @ factor.T
        lengths = np.sqrt(np.diagonal(gram))
        linear[rows] += np.diagonal(gram) / 2.0
        matrix[np.ix_(rows, rows)] += gram - np.diag(np.diagonal(gram))
        terms[np.ix_(rows, rows)] += np.outer(lengths, lengths)
    return linear, matrix, terms


def _magnitude(offset: float, linear: Floats, terms: Floats, starts: Indices) -> float:
    """At least the sum of the sizes of all terms in any state with one option of every site."""
    if not len(linear):
        return abs(offset)
    pairs = np.maximum.reduceat(np.maximum.reduceat(terms, starts[:-1], axis=0), starts[:-1], axis=1)
    return abs(offset) + float(np.maximum.reduceat(np.abs(linear), starts[:-1]).sum() + pairs.sum() / 2.0)

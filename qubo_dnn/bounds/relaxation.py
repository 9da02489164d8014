"""What is proven about a problem from any point of its convex relaxation.

For a convex f(z) = offset + l'z + 1/2 z'Hz, multipliers w (>= 0 of inequalities) and any y, every z that keeps
`rows z <= limits` has

    f(z) >= f(y) + (l + Hy)'(z - y) + w'(rows z - limits) >= offset - 1/2 y'Hy - w'limits + sum over sites of min(0, g)

with g = l + Hy + rows'w, because one variable of a site is 1 at most. So a search that is cut short proves something
too. The excess of a variable over the least of its site is what the bound rises by if that variable is 1: where that
is above an energy that is known, it is 0 in all better states.

Rounding: every step is a sum of at most n + 20 terms, whose sizes add up to no more than `magnitude`, so that
`8 (n + 20) u magnitude` with the unit roundoff u exceeds the errors of all of them (Higham 2002, ch. 3). H is proven to
be positive semidefinite by a Cholesky factorisation of H - c I, with c above what rounding can hide (Rump 2006).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.bounds.interior_point import Point
from qubo_dnn.bounds.site_model import Floats, ReducedSiteModel, SiteModel

UNIT_ROUNDOFF = float(np.finfo(float).eps) / 2.0


@dataclass(frozen=True)
class Bound:
    """A proven lower bound and what it says about single options.

    Attributes:
        value: no state that keeps the constraints has a lower energy.
        excess: [n] by how much `value` rises at least where a variable is 1.
        base_excess: [s] the same where the base of a site is taken.
    """

    value: float
    excess: Floats
    base_excess: Floats


def lower_bound(
    sites: ReducedSiteModel,
    matrix: Floats,
    linear: Floats,
    point: Point,
    equal: NDArray[np.bool_],
    tolerances: Floats,
    magnitude: float,
) -> Bound:
    """The bound at a point.

    Args:
        sites: whose offset, constraints and shape apply.
        matrix: [n, n] positive semidefinite, see `certainly_convex`.
        linear: [n]; in all states the energy is that of `sites`.
        point: any.
        equal: [m] constraints that are equalities.
        tolerances: [m] by how much constraints may be exceeded.
        magnitude: of the problem as it was given, see `SiteModel`.
    """
    y = np.maximum(point.values, 0.0)
    y = y / np.maximum(1.0, sites.sums(y))[np.repeat(np.arange(len(sites.bases)), np.diff(sites.starts))]
    weights = np.where(equal, point.multipliers, np.maximum(point.multipliers, 0.0))
    curved = matrix @ y
    gradient = linear + curved + sites.rows.T @ weights
    least = sites.least(gradient)
    value = sites.offset - 0.5 * float(y @ curved) + float(least.sum()) - float(weights @ sites.limits)
    loose = float(np.abs(weights) @ tolerances)
    size = magnitude + term_sizes(sites, matrix, linear)
    size += float(np.abs(weights) @ (np.abs(sites.limits) + _largest_rows(sites)))
    margin = 8.0 * (len(y) + 20.0) * UNIT_ROUNDOFF * size
    site_of = np.repeat(np.arange(len(sites.bases)), np.diff(sites.starts))
    return Bound(value - loose - margin, gradient - least[site_of], -least)


def term_sizes(sites: ReducedSiteModel, matrix: Floats, linear: Floats) -> float:
    """At least the sum of the sizes of all terms of the energy at any point within the sites."""
    if not len(linear):
        return abs(sites.offset)
    starts = sites.starts[:-1]
    pairs = np.maximum.reduceat(np.maximum.reduceat(np.abs(matrix), starts, axis=0), starts, axis=1)
    return abs(sites.offset) + float(np.maximum.reduceat(np.abs(linear), starts).sum() + pairs.sum())


def _largest_rows(sites: ReducedSiteModel) -> Floats:
    """[m] at least the sum of the sizes of all terms of a constraint."""
    if not sites.rows.shape[1]:
        return np.zeros(len(sites.limits))
    found: Floats = np.maximum.reduceat(np.abs(sites.rows), sites.starts[:-1], axis=1).sum(axis=1)
    return found


def certainly_convex(matrix: Floats) -> Any | None:
    """The Cholesky factor of a matrix that is positive definite whatever rounding did, or None."""
    # Not at the top: help has to stay quick.
    from scipy import linalg

    n = len(matrix)
    shift = 2.0 * (n + 2.0) * UNIT_ROUNDOFF * float(np.trace(matrix))
    shifted = matrix.copy()
    shifted[np.diag_indices(n)] -= shift
    if not np.isfinite(shifted).all():
        return None
    try:
        return linalg.cholesky(shifted, lower=True, overwrite_a=True, check_finite=False)
    except linalg.LinAlgError:
        return None


@dataclass(frozen=True, eq=False)
class ConvexRelaxation:
    """A problem with its squares and its products inside sites chosen so that it is convex.

    Attributes:
        options: of the problem.
        sites: all of the options.
        matrix: [n, n] positive definite, over the variables of `sites`.
        linear: [n] that goes with it.
        point: near its minimum.
        bound: there.
    """

    options: SiteModel
    sites: ReducedSiteModel
    matrix: Floats
    linear: Floats
    point: Point
    bound: Bound

    def convex_options(self) -> SiteModel:
        """The problem as `SiteModel` with the convex matrix: of equal energy in all states, over all options."""
        options, sites = self.options, self.sites
        n = len(options.linear)
        linear, matrix, rows = np.zeros(n), np.zeros((n, n)), np.zeros_like(options.rows)
        linear[sites.members] = self.linear
        matrix[np.ix_(sites.members, sites.members)] = self.matrix
        rows[:, sites.members] = sites.rows
        return SiteModel(
            offset=sites.offset,
            linear=linear,
            matrix=matrix,
            starts=options.starts,
            columns=options.columns,
            rows=rows,
            limits=sites.limits,
            equal=options.equal,
            tolerances=options.tolerances,
            magnitude=options.magnitude + term_sizes(sites, self.matrix, self.linear),
            dropped=options.dropped,
        )

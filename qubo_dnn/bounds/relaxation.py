"""Proven lower bounds from any point of the convex relaxation of a problem.

For a convex f(z) = offset + l'z + 1/2 z'Hz, multipliers w (>= 0 of inequalities) and any y, every z that keeps
`rows z <= limits` has

    f(z) >= f(y) + (l + Hy)'(z - y) + w'(rows z - limits) >= offset - 1/2 y'Hy - w'limits + sum over sites of min(0, g)

with g = l + Hy + rows'w, because at most one variable of a site is 1. A search that ends early therefore proves a bound
too. The excess of a variable is the amount by which its g exceeds the least of 0 and the values of its site. The bound
rises by the excess if the variable is 1. If the result is above a known energy, the variable is 0 in all better states.

Rounding: every step is a sum of at most n + 20 terms, whose absolute values add up to at most `magnitude`, so that
`8 (n + 20) u magnitude` with the unit roundoff u exceeds the errors of all steps (Higham 2002, ch. 3). A Cholesky
factorisation of H - c I proves that H is positive semidefinite, with c above the rounding errors (Rump 2006).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.bounds.interior_point import Point
from qubo_dnn.bounds.site_model import Floats, ReducedSiteModel, SiteModel

UNIT_ROUNDOFF = float(np.finfo(float).eps) / 2.0


@dataclass(frozen=True)
class Bound:
    """A proven lower bound, and its increase if a single option is chosen.

    Attributes:
        value: no state that keeps the constraints has a lower energy.
        excess: [n] least increase of `value` if a variable is 1.
        base_excess: [s] least increase of `value` if the base of a site is chosen.

    Example:
        >>> bound = Bound(value=-5.0, excess=np.array([0.0, 2.0]), base_excess=np.array([1.0]))
        >>> (bound.value + bound.excess).tolist()
        [-5.0, -3.0]
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
    """Return the bound at a point.

    Args:
        sites: gives the offset, the constraints and the structure.
        matrix: [n, n] positive semidefinite, see `certainly_convex`.
        linear: [n] linear terms; with `matrix` they give the energy of `sites` in all states.
        point: any point.
        equal: [m] True for equalities.
        tolerances: [m] allowed violation of each constraint.
        magnitude: magnitude of the original problem, see `SiteModel`.

    Example:
        >>> sites = ReducedSiteModel(
        ...     offset=0.0, linear=np.array([-1.0]), matrix=np.zeros((1, 1)), starts=np.array([0, 1]),
        ...     rows=np.zeros((0, 1)), limits=np.zeros(0),
        ...     members=np.array([0]), bases=np.array([1]), fixed=np.zeros(0, int),
        ... )
        >>> point, none = Point(values=np.array([1.0]), multipliers=np.zeros(0)), np.zeros(0)
        >>> round(lower_bound(sites, np.array([[2.0]]), np.array([-2.0]), point, none > 0.0, none, 1.0).value, 6)
        -1.0
    """
    y = np.maximum(point.values, 0.0)
    y = y / np.maximum(1.0, sites.sums(y))[sites.site_of]
    weights = np.where(equal, point.multipliers, np.maximum(point.multipliers, 0.0))
    curved = matrix @ y
    gradient = linear + curved + sites.rows.T @ weights
    least = sites.least(gradient)
    value = sites.offset - 0.5 * float(y @ curved) + float(least.sum()) - float(weights @ sites.limits)
    loose = float(np.abs(weights) @ tolerances)
    size = magnitude + term_sizes(sites, matrix, linear)
    size += float(np.abs(weights) @ (np.abs(sites.limits) + _largest_rows(sites)))
    margin = 8.0 * (len(y) + 20.0) * UNIT_ROUNDOFF * size
    return Bound(value - loose - margin, gradient - least[sites.site_of], -least)


def term_sizes(sites: ReducedSiteModel, matrix: Floats, linear: Floats) -> float:
    """Return an upper bound on the sum of the absolute terms of the energy at any point within the sites.

    Example:
        >>> from qubo_dnn.bounds.site_model import site_model, reduce_sites
        >>> from qubo_dnn.registry import get_formulation
        >>> sites = reduce_sites(site_model(get_formulation("knapsack")([4, 3], [3, 2], 4).compile()), np.ones(4, bool))
        >>> term_sizes(sites, sites.matrix, sites.linear)
        14.0
    """
    if not len(linear):
        return abs(sites.offset)
    starts = sites.starts[:-1]
    pairs = np.maximum.reduceat(np.maximum.reduceat(np.abs(matrix), starts, axis=0), starts, axis=1)
    return abs(sites.offset) + float(np.maximum.reduceat(np.abs(linear), starts).sum() + pairs.sum())


def _largest_rows(sites: ReducedSiteModel) -> Floats:
    """Return [m] upper bounds on the sums of the absolute terms of the constraints."""
    if not sites.rows.shape[1]:
        return np.zeros(len(sites.limits))
    found: Floats = np.maximum.reduceat(np.abs(sites.rows), sites.starts[:-1], axis=1).sum(axis=1)
    return found


def certainly_convex(matrix: Floats) -> Any | None:
    """Return the Cholesky factor of a matrix that is positive definite despite rounding errors, or None.

    Example:
        >>> certainly_convex(np.array([[1.0, 2.0], [2.0, 1.0]])) is None
        True
    """
    # Imported here to keep the start of the command line fast.
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
    """A problem with squares, and products inside sites, chosen to make it convex.

    Attributes:
        options: the problem.
        sites: sites of all options.
        matrix: [n, n] positive definite, over the variables of `sites`.
        linear: [n] linear terms for `matrix`.
        point: point near the minimum.
        bound: bound at `point`.

    Example:
        >>> from qubo_dnn.bounds import convexify
        >>> from qubo_dnn.bounds.site_model import site_model
        >>> from qubo_dnn.registry import get_formulation
        >>> options = site_model(get_formulation("max-cut")([(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0)]).compile())
        >>> next(convexify.relaxations(options, over=lambda: False)).bound.value < -2.0  # the energy of the best cut
        True
    """

    options: SiteModel
    sites: ReducedSiteModel
    matrix: Floats
    linear: Floats
    point: Point
    bound: Bound

    def convex_options(self) -> SiteModel:
        """Return the problem over all options with the convex matrix; the energies of all states are equal."""
        options, sites = self.options, self.sites
        n = len(options.linear)
        linear, matrix, rows = np.zeros(n), np.zeros((n, n)), np.zeros_like(options.rows)
        linear[sites.members] = self.linear
        matrix[np.ix_(sites.members, sites.members)] = self.matrix
        rows[:, sites.members] = sites.rows
        magnitude = options.magnitude + term_sizes(sites, self.matrix, self.linear)
        return replace(
            options,
            offset=sites.offset,
            linear=linear,
            matrix=matrix,
            rows=rows,
            limits=sites.limits,
            magnitude=magnitude,
        )

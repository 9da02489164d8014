"""The tightest convex relaxation of a problem: the semidefinite relaxation, by a barrier method.

A block B of every site can be added to the matrix H of a `ReducedSiteModel` without changing the energy of any state:
products inside sites are 0 and squares equal the variables, so that 1/2 z'Bz - 1/2 diag(B)'z is 0. The blocks with the
highest minimum of the convex relaxation solve the dual of a semidefinite program. The method follows the maxima of

    min over z of l'z + 1/2 z'(H + B)z - 1/2 diag(B)'z, plus mu log det (H + B),

for decreasing mu, and alternates two steps: z by the interior-point method, then the block of each site in closed form,

    B <- B + 2 mu (diag z - z z')^-1 - W^-1, where W is the site's block of (H + B)^-1.

H + B stays positive definite, so every iteration gives a valid bound.

Source: Billionnet, Elloumi & Lambert 2012 (quadratic convex reformulation); Wen, Goldfarb & Scheinberg 2012 (block
coordinate descent for semidefinite programs).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

from qubo_dnn.bounds.interior_point import minimise
from qubo_dnn.bounds.relaxation import ConvexRelaxation, certainly_convex, lower_bound
from qubo_dnn.bounds.site_model import Floats, ReducedSiteModel, SiteModel, reduce_sites

# First weight of the barrier, as a share of the loss of the first relaxation; factor of its decrease.
_FIRST_BARRIER = 0.2
_FALL = 0.5
_PRECISION = 1e-7
_MOST_HALVINGS = 10
# A relaxation is poor if it raises the bound by less than this share of the distance to the energy. The search ends
# after this many poor relaxations that are worse than the best.
_STALLED = 0.01
_PATIENCE = 12
# Number of columns whose changes update the inverse at once.
_BATCH = 256
# Share of a site that is spread evenly over its options, since none may be exactly 0.
_SPREAD = 0.01


def relaxations(options: SiteModel, over: Callable[[], bool]) -> Iterator[ConvexRelaxation]:
    """Yield tighter and tighter relaxations until `over` returns True or numerical errors prevent more.

    Args:
        options: the problem; at least one site has two options.
        over: called between steps.

    Example:
        >>> from qubo_dnn.bounds.site_model import site_model
        >>> from qubo_dnn.registry import get_formulation
        >>> options = site_model(get_formulation("max-cut")([(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0)]).compile())
        >>> next(relaxations(options, over=lambda: False)).bound.value < -2.0  # the energy of the best cut
        True
    """
    from scipy import linalg

    sites = reduce_sites(options, np.ones(len(options.linear), bool))
    linear, matrix = _bare(sites)
    diagonal = np.diag_indices(len(linear))
    convex = matrix.copy()
    convex[diagonal] = _diagonal(matrix)
    barrier = None
    factor = certainly_convex(convex)
    while factor is not None:
        own = linear - convex[diagonal] / 2.0
        point = minimise(sites, convex, own, options.equal, _PRECISION, over)
        bound = lower_bound(sites, convex, own, point, options.equal, options.tolerances, options.magnitude)
        yield ConvexRelaxation(options, sites, convex.copy(), own, point, bound)
        if over():
            return
        lost = 0.5 * float(convex[diagonal] @ point.values - _inside(sites, convex, point.values))
        barrier = _FIRST_BARRIER * lost / len(linear) if barrier is None else _FALL * barrier
        if not barrier > 0.0:
            return
        inverse = linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)[0]
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        before = convex.copy()
        _sweep(sites, convex, inverse, point.values, barrier, over)
        factor = certainly_convex(convex)
        for _ in range(_MOST_HALVINGS):
            if factor is not None:
                break
            # Rounding errors made the step slightly too large: all matrices between two convex ones are convex.
            convex = (convex + before) / 2.0
            factor = certainly_convex(convex)


def tightening(options: SiteModel, over: Callable[[], bool], energy: float = math.inf) -> Iterator[ConvexRelaxation]:
    """Yield `relaxations` while they improve the bound clearly.

    Args:
        options: as in `relaxations`; yields nothing if every site has only one option.
        over: as in `relaxations`.
        energy: energy of an answer, or infinity. A clear improvement is a share of its distance from the bound.

    Example:
        >>> from qubo_dnn.bounds.site_model import site_model
        >>> from qubo_dnn.registry import get_formulation
        >>> options = site_model(get_formulation("max-cut")([(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0)]).compile())
        >>> round(max(each.bound.value for each in tightening(options, over=lambda: False)), 1)
        -2.3
    """
    if not len(options.linear) or np.diff(options.sites.starts).max() < 2:
        return
    best, poor = -math.inf, 0
    for relaxation in relaxations(options, over):
        value = relaxation.bound.value
        yield relaxation
        room = energy - best if math.isfinite(energy) else abs(best)
        poor = 0 if value - best > _STALLED * room else poor + 1
        # The relaxations after the first one follow the barrier and are worse at first.
        if poor >= (_PATIENCE if value < best else 2):
            return
        best = max(best, value)


def _bare(sites: ReducedSiteModel) -> tuple[Floats, Floats]:
    """Return linear terms and matrix without terms inside sites."""
    linear, matrix = sites.linear + np.diagonal(sites.matrix) / 2.0, sites.matrix.copy()
    for a, b in pairwise(sites.starts):
        matrix[a:b, a:b] = 0.0
    return linear, matrix


def _inside(sites: ReducedSiteModel, matrix: Floats, z: Floats) -> float:
    """Compute z'Bz over the blocks of sites."""
    pairs = pairwise(sites.starts)
    return sum(float(z[a:b] @ matrix[a:b, a:b] @ z[a:b]) for a, b in pairs)


def _diagonal(matrix: Floats) -> Floats:
    """Return [n] a diagonal that makes the matrix convex: the smallest tried share of diagonal dominance."""
    rows = np.abs(matrix).sum(axis=1)
    rows = np.maximum(rows, 1e-9 * max(float(rows.max(initial=0.0)), 1e-300))
    enough, short = 1.01, 0.0
    for _ in range(5):
        share = (enough + short) / 2.0
        trial = matrix.copy()
        trial[np.diag_indices(len(rows))] = share * rows
        enough, short = (enough, share) if certainly_convex(trial) is None else (share, short)
    diagonal: Floats = enough * rows
    return diagonal


# Values that are not finite end the sweep, without a warning.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def _sweep(
    sites: ReducedSiteModel, convex: Floats, inverse: Floats, values: Floats, barrier: float, over: Callable[[], bool]
) -> None:
    """Set the block of one site after another, until numerical errors prevent more."""
    starts = sites.starts
    first = 0
    while first < len(starts) - 1 and not over():
        last = int(np.searchsorted(starts, starts[first] + _BATCH, side="right")) - 1
        last = max(last, first + 1)
        a, b = int(starts[first]), int(starts[last])
        before = inverse[a:b, a:b].copy()
        present, change = before.copy(), np.zeros_like(before)
        for p, q in zip(starts[first:last] - a, starts[first + 1 : last + 1] - a, strict=True):
            z = (1.0 - _SPREAD) * values[a + p : a + q] + _SPREAD / (q - p + 1.0)
            wanted = np.diag(1.0 / z) + 1.0 / (1.0 - z.sum())
            own = present[p:q, p:q]
            try:
                step = 2.0 * barrier * wanted - np.linalg.inv(own)
                middle = np.linalg.solve(np.eye(q - p) + step @ own, step)
            except np.linalg.LinAlgError:
                return
            if not np.isfinite(middle).all():
                return
            step = (step + step.T) / 2.0
            change[p:q, p:q] = step
            present -= present[:, p:q] @ middle @ present[p:q]
        try:
            kernel = np.linalg.solve(np.eye(b - a) + change @ before, change)
        except np.linalg.LinAlgError:
            return
        convex[a:b, a:b] += change
        if last < len(starts) - 1:
            inverse -= inverse[:, a:b] @ kernel @ inverse[a:b]
        first = last

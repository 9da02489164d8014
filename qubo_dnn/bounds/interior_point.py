"""Minimisation of convex quadratics over sites with linear constraints, by a primal-dual interior-point method.

Source: Mehrotra 1992, "On the implementation of a primal-dual interior point method"; Nocedal & Wright 2006, 16.6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.bounds.site_model import Floats, ReducedSiteModel

_MOST_STEPS = 60
# Step length as a share of the way to the boundary of the feasible region.
_STEP = 0.995


@dataclass(frozen=True)
class Point:
    """A primal-dual point.

    Attributes:
        values: [n] values >= 0 of the variables; the sum of every site is at most 1.
        multipliers: [m] multipliers of the constraints; >= 0 for inequalities.

    Example:
        >>> point = Point(values=np.array([0.25, 0.75]), multipliers=np.zeros(1))
        >>> float(point.values.sum())
        1.0
    """

    values: Floats
    multipliers: Floats


# Values that are not finite end the search, without a warning.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def minimise(
    sites: ReducedSiteModel,
    matrix: Floats,
    linear: Floats,
    equal: NDArray[np.bool_],
    precision: float,
    over: Callable[[], bool] = lambda: False,
) -> Point:
    """Return a point near the minimum of `linear'z + 1/2 z'(matrix)z` within the constraints.

    Args:
        sites: gives `starts`, `rows` and `limits`.
        matrix: [n, n] positive definite.
        linear: [n] linear terms.
        equal: [m] True for equalities.
        precision: relative precision of the value.
        over: called before every step; True ends the search at the current point.

    Example:
        >>> from qubo_dnn.bounds.site_model import site_model, reduce_sites
        >>> from qubo_dnn.registry import get_formulation
        >>> sites = reduce_sites(site_model(get_formulation("knapsack")([4, 3], [3, 2], 4).compile()), np.ones(4, bool))
        >>> minimise(sites, np.eye(2), np.full(2, -0.1), np.array([False]), 1e-8).values.round(3).tolist()
        [0.215, 0.177]
    """
    search = _Search(sites, matrix, linear, equal)
    for _ in range(_MOST_STEPS):
        if search.done(precision) or over() or not search.step():
            break
    return Point(search.z, search.multipliers)


class _Search:
    """State of the method: z > 0, slacks > 0 of sites and inequalities, and multipliers of all of them."""

    def __init__(self, sites: ReducedSiteModel, matrix: Floats, linear: Floats, equal: NDArray[np.bool_]) -> None:
        # Imported here to keep the start of the command line fast.
        from scipy.linalg import lapack

        # For small problems, the checks of `scipy.linalg` take longer than these routines.
        self._lapack: Any = lapack
        self.sites, self.matrix, self.linear, self.equal = sites, matrix, linear, equal
        # Rows are scaled to a common size, so that one precision suits all of them.
        size = np.abs(sites.rows).max(axis=1, initial=0.0)
        self.size = np.where(size > 0.0, size, 1.0)
        rows, limits = sites.rows / self.size[:, None], sites.limits / self.size
        self.rows, self.limits = rows[~equal], limits[~equal]
        self.ties, self.amounts = rows[equal], limits[equal]
        counts = np.diff(sites.starts)
        self.site_of = sites.site_of
        self.z = np.repeat(1.0 / (counts + 1.0), counts)
        self.slack = np.maximum(self.limits - self.rows @ self.z, 0.1)
        gradient = linear + matrix @ self.z
        self.unit = float(np.abs(gradient).mean()) or 1.0
        target = 0.1 * self.unit
        self.lower, self.upper = target / self.z, target * (counts + 1.0)
        self.weights, self.ties_weights = target / self.slack, np.zeros(len(self.amounts))

    @property
    def multipliers(self) -> Floats:
        found = np.zeros(len(self.equal))
        found[~self.equal], found[self.equal] = self.weights, self.ties_weights
        return found / self.size

    def done(self, precision: float) -> bool:
        """Compute the residuals for the next step; return whether the point has the precision."""
        z = self.z
        curved = self.matrix @ z
        self.rest = 1.0 - self.sites.sums(z)
        self.gradient = self.linear + curved + self.upper[self.site_of] - self.lower
        self.gradient += self.rows.T @ self.weights + self.ties.T @ self.ties_weights
        self.beyond = self.rows @ z + self.slack - self.limits
        self.missing = self.ties @ z - self.amounts
        gap = z @ self.lower + self.rest @ self.upper + self.slack @ self.weights
        self.mean = float(gap) / (len(z) + len(self.rest) + len(self.slack))
        value = abs(float(self.linear @ z + 0.5 * z @ curved))
        unmet = max(np.abs(self.beyond).max(initial=0.0), np.abs(self.missing).max(initial=0.0))
        flat = np.abs(self.gradient).max(initial=0.0) <= precision * self.unit
        return bool(flat and unmet <= precision and gap <= precision * max(value, 1e-12 * self.unit))

    def step(self) -> bool:
        """Make one predictor-corrector step; return False if numerical errors prevent it."""
        z, rest, slack = self.z, self.rest, self.slack
        kernel = self.matrix.copy()
        kernel.flat[:: len(z) + 1] += self.lower / z
        for s, (a, b) in enumerate(pairwise(self.sites.starts)):
            kernel[a:b, a:b] += self.upper[s] / rest[s]
        pull = self.weights / slack
        kernel += (self.rows.T * pull) @ self.rows
        factor, wrong = self._lapack.dpotrf(kernel, overwrite_a=True, clean=False)
        if wrong:
            return False
        if len(self.ties):
            across = self._lapack.dpotrs(factor, self.ties.T)[0]
            try:
                # Equalities may be redundant, as in assignment problems.
                pseudo = np.linalg.pinv(self.ties @ across, rcond=1e-12, hermitian=True)
            except np.linalg.LinAlgError:
                return False

        def direction(low: Floats, high: Floats, loose: Floats) -> tuple[Floats, ...]:
            """Return Newton's direction that changes the products of slacks and multipliers by minus these values."""
            right = -self.gradient - low / z + (high / rest)[self.site_of]
            right -= self.rows.T @ (pull * self.beyond - loose / slack)
            dz, turn = self._lapack.dpotrs(factor, right)[0], np.zeros(0)
            if len(self.ties):
                turn = pseudo @ (self.ties @ dz + self.missing)
                dz = dz - across @ turn
            d_rest, d_slack = -self.sites.sums(dz), -self.beyond - self.rows @ dz
            d_lower = (-low - self.lower * dz) / z
            d_upper = (-high - self.upper * d_rest) / rest
            return dz, d_rest, d_slack, d_lower, d_upper, (-loose - self.weights * d_slack) / slack, turn

        low, high, loose = z * self.lower, rest * self.upper, slack * self.weights
        dz, d_rest, d_slack, d_lower, d_upper, d_weights, _ = direction(low, high, loose)
        slacks, multipliers = np.concatenate((z, rest, slack)), np.concatenate((self.lower, self.upper, self.weights))
        primal = _reach(slacks, np.concatenate((dz, d_rest, d_slack)))
        dual = _reach(multipliers, np.concatenate((d_lower, d_upper, d_weights)))
        ahead = (z + primal * dz) @ (self.lower + dual * d_lower) + (rest + primal * d_rest) @ (
            self.upper + dual * d_upper
        )
        ahead += (slack + primal * d_slack) @ (self.weights + dual * d_weights)
        centre = self.mean * (float(ahead) / (len(z) + len(rest) + len(slack)) / self.mean) ** 3
        dz, d_rest, d_slack, d_lower, d_upper, d_weights, turn = direction(
            low + dz * d_lower - centre, high + d_rest * d_upper - centre, loose + d_slack * d_weights - centre
        )
        length = min(
            _reach(slacks, np.concatenate((dz, d_rest, d_slack))),
            _reach(multipliers, np.concatenate((d_lower, d_upper, d_weights))),
        )
        if not np.isfinite(dz).all() or not np.isfinite(d_weights).all() or not length > 1e-12:
            return False
        self.z, self.slack = z + length * dz, slack + length * d_slack
        self.lower, self.upper = self.lower + length * d_lower, self.upper + length * d_upper
        self.weights, self.ties_weights = self.weights + length * d_weights, self.ties_weights + length * turn
        return True


def _reach(values: Floats, change: Floats) -> float:
    """Return the largest share of the change, at most 1, that keeps positive values positive."""
    falling = change < 0.0
    return min(1.0, _STEP * float((-values[falling] / change[falling]).min(initial=np.inf)))

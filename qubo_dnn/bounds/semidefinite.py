"""The semidefinite relaxation of a maximum cut with triangle inequalities, through its regularised dual.

The relaxation replaces ss' by a positive semidefinite X with a unit diagonal that keeps the triangle inequalities
A(X) >= -1. With any y and any multipliers t >= 0, the slack matrix M = C - Diag(y) - A'(t) gives

    <C, X> >= sum y - sum t + <M, X> >= sum y - sum t + N lambda(M),

where lambda is the least eigenvalue, since X has the trace N. The search for y and t maximises the smooth function

    sum y - sum t - 1/(2 alpha) |negative part of M|^2

by L-BFGS-B. Its gradient contains X = -(negative part of M) / alpha, which violates the diagonal and the triangles less
and less, and its maximum is near that of the bound for a small alpha. All bounds are proven after the search: by a
Cholesky factorisation, M - lambda I is positive semidefinite (see `qubo_dnn.bounds.relaxation`).

Source: Malick & Roupin 2013, "On the bridge between combinatorial optimization and nonlinear optimization: a family of
semidefinite bounds for 0-1 quadratic problems"; Krislock, Malick & Roupin 2014, "Improved semidefinite bounding
procedure for solving Max-Cut problems to optimality".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from qubo_dnn.bounds.relaxation import UNIT_ROUNDOFF, certainly_convex
from qubo_dnn.bounds.site_model import Floats
from qubo_dnn.bounds.spin_model import SpinModel
from qubo_dnn.bounds.triangles import Triangles

# Number of steps that L-BFGS-B remembers.
_MEMORY = 10
_MOST_SHIFTS = 6
_TINY = 1e-290


@dataclass(frozen=True, eq=False)
class Dual:
    """Dual variables of the relaxation.

    Attributes:
        diagonal: [N] y.
        triangles: inequalities with their multipliers t.

    Example:
        >>> Dual.zero(3).diagonal.tolist()
        [0.0, 0.0, 0.0]
    """

    diagonal: Floats
    triangles: Triangles

    @classmethod
    def zero(cls, count: int) -> Dual:
        """Return the dual variables 0 of a model with so many spins."""
        return cls(np.zeros(count), Triangles.none())

    def merge(self, i: int, j: int, sign: int, entry: float) -> Dual:
        """Return dual variables for the model after `s_j = sign * s_i`, with a bound that is not lower.

        Twice the entry C_ij of the matrix, times the sign, moves to the offset of the model, and leaves the diagonal.
        Of the triangles i, j, k with the signs a, b, c, those with sign * ab = -1 are constant, and the others say that
        1 + ac X_ik is at least 0. In the matrix, t times these terms moves to the diagonal at i, and at k.
        """
        lost = self.triangles.with_both(i, j)
        constant = sign * lost.product(i, j) < 0.0
        third = np.where(constant, i, lost.corners.sum(axis=0, dtype=np.intp) - i - j)
        diagonal = self.diagonal - np.bincount(third, lost.multipliers, len(self.diagonal))
        diagonal[i] += diagonal[j] - 2.0 * sign * entry
        return Dual(np.delete(diagonal, j), self.triangles.merge(i, j, sign))


@dataclass(frozen=True, eq=False)
class Relaxed:
    """Result of a search.

    Attributes:
        dual: its last dual variables.
        bound: proven; no state has a lower energy.
        factor: [N, r] the matrix X of the last point is `factor @ factor.T`.

    Example:
        >>> relaxed = Relaxed(dual=Dual.zero(1), bound=-1.0, factor=np.array([[2.0]]))
        >>> relaxed.products.tolist()
        [[1.0]]
    """

    dual: Dual
    bound: float
    factor: Floats

    @property
    def products(self) -> Floats:
        """[N, N] X, scaled to a unit diagonal."""
        rows = self.factor / np.maximum(np.linalg.norm(self.factor, axis=1), 1e-150)[:, None]
        return np.asarray(rows @ rows.T)

    def is_integral(self, least: float) -> bool:
        """Return whether X is nearly the matrix of one state: a diagonal near 1, and no product below `least`."""
        diagonal = np.square(self.factor).sum(axis=1)
        near = diagonal.min() >= 0.5 and diagonal.max() <= 2.0
        return bool(near and np.abs(self.products).min() >= least)


def tighten(model: SpinModel, dual: Dual, alpha: float, steps: int, enough: float, over: Callable[[], bool]) -> Relaxed:
    """Raise the bound by a few steps of L-BFGS-B.

    Args:
        model: N spins.
        dual: first dual variables.
        alpha: weight of the regularisation, in the unit of the energy.
        steps: most steps.
        enough: the search ends at a bound as high as this.
        over: called between steps; True ends the search.

    Example:
        >>> from qubo_dnn.bounds.spin_model import spin_model
        >>> from qubo_dnn.registry import get_formulation
        >>> triangle = get_formulation("max-cut")([(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0)]).compile()
        >>> model = spin_model(triangle)[0]
        >>> round(tighten(model, Dual.zero(3), 1e-4, 50, np.inf, lambda: False).bound, 3)
        -2.25
    """
    # Imported here to keep the start of the command line fast.
    from scipy.optimize import Bounds, minimize

    search = _Search(model, dual.triangles, alpha)

    def after(_: Floats) -> None:
        if search.bound >= enough or over():
            raise StopIteration

    n, count = len(dual.diagonal), len(dual.triangles)
    values = np.asarray(np.linalg.eigvalsh(search.slack(dual.diagonal, dual.triangles.multipliers)), float)
    # Where no eigenvalue is negative, X is 0, and the function is linear: steps would be tiny.
    level = _level(values, alpha * n) if values[0] > 0.0 else 0.0
    lbfgs: Any = minimize  # no overload of the stubs takes this callback
    found = lbfgs(
        search.value,
        np.concatenate([dual.diagonal + level, dual.triangles.multipliers]),
        jac=True,
        method="L-BFGS-B",
        bounds=Bounds(np.repeat([-np.inf, 0.0], [n, count]), np.full(n + count, np.inf)),
        callback=after,
        options={"maxiter": steps, "maxcor": _MEMORY, "gtol": 1e-3, "ftol": 1e-12},
    )
    search.value(found.x)
    last = Dual(found.x[:n], _with(dual.triangles, found.x[n:]))
    best = Dual(search.best[:n], _with(dual.triangles, search.best[n:]))
    return Relaxed(last, proven_bound(model, best), search.factor)


def proven_bound(model: SpinModel, dual: Dual) -> float:
    """Return a bound that holds despite rounding errors; minus infinity if the matrix is too far from finite.

    Args:
        model: N spins.
        dual: any diagonal, and any multipliers: negative ones count as 0.

    Example:
        >>> from qubo_dnn.bounds.spin_model import spin_model
        >>> from qubo_dnn.registry import get_formulation
        >>> triangle = get_formulation("max-cut")([(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0)]).compile()
        >>> round(proven_bound(spin_model(triangle)[0], Dual(np.full(3, -0.25), Triangles.none())), 6)
        -2.25
    """
    n = len(dual.diagonal)
    multipliers = np.maximum(dual.triangles.multipliers, 0.0)
    slack = _Slack(model, dual.triangles)(dual.diagonal, multipliers)
    if not np.isfinite(slack).all():
        return -math.inf
    sizes = float(np.abs(dual.diagonal).sum() + 4.0 * multipliers.sum() + np.abs(model.matrix).sum())
    # An entry is a sum of at most 4 n terms, since a pair of spins is in so many inequalities.
    margin = 8.0 * (4.0 * n + 20.0) * UNIT_ROUNDOFF * (sizes + abs(model.offset)) + model.rounding
    least = float(np.linalg.eigvalsh(slack)[0])
    pad = 4.0 * (n + 2.0) * UNIT_ROUNDOFF * max(float(np.trace(slack)) - n * least, n * abs(least)) + _TINY
    for _ in range(_MOST_SHIFTS):
        shifted = slack.copy()
        shifted.flat[:: n + 1] -= least - pad
        if certainly_convex(shifted) is not None:
            total = math.fsum(dual.diagonal) - math.fsum(multipliers)
            return model.offset + total + n * (least - pad) - margin
        pad = 4.0 * pad
    return -math.inf


def _with(triangles: Triangles, multipliers: Floats) -> Triangles:
    return Triangles(triangles.corners, triangles.signs, multipliers)


def _level(values: Floats, volume: float) -> float:
    """Return the level below which ascending values lack so much in sum: a shift of the diagonal to X of trace N."""
    levels = (volume + np.cumsum(values)) / np.arange(1.0, len(values) + 1.0)
    return float(levels.min())


class _Slack:
    """The slack matrix of a model as a function of the dual variables."""

    def __init__(self, model: SpinModel, triangles: Triangles) -> None:
        self.matrix, self.n = model.matrix, len(model.matrix)
        self.entries, self.products = triangles.entries(self.n).ravel(), triangles.products()

    def __call__(self, diagonal: Floats, multipliers: Floats) -> Floats:
        found, n = self.matrix.copy(), self.n
        if len(multipliers):
            weights = (self.products * (-0.5 * multipliers)).ravel()
            half = np.bincount(self.entries, weights=weights, minlength=n * n).reshape(n, n)
            found += half
            found += half.T
        found.flat[:: n + 1] -= diagonal
        return found

    def activities(self, products: Floats) -> Floats:
        """[m] left sides of the triangle inequalities."""
        each = products.ravel()[self.entries].reshape(3, -1)
        return np.asarray((self.products * each).sum(axis=0))


class _Search:
    """The function to minimise, and the best bound seen."""

    def __init__(self, model: SpinModel, triangles: Triangles, alpha: float) -> None:
        self.slack, self.offset, self.alpha = _Slack(model, triangles), model.offset, alpha
        self.bound, self.best = -math.inf, np.zeros(0)
        self.factor = np.zeros((len(model.matrix), 1))

    def value(self, point: Floats) -> tuple[float, Floats]:
        """Return minus the regularised dual function and its gradient."""
        n = self.slack.n
        values, vectors = np.linalg.eigh(self.slack(point[:n], point[n:]))
        total = float(point[:n].sum() - point[n:].sum())
        bound = self.offset + total + n * float(values[0])
        if not len(self.best) or bound > self.bound:
            self.bound, self.best = bound, point.copy()
        count = max(int(np.searchsorted(values, 0.0)), 1)
        negative = np.minimum(values[:count], 0.0)
        self.factor = vectors[:, :count] * np.sqrt(-negative / self.alpha)
        products = self.factor @ self.factor.T
        gradient = np.concatenate([products.flat[:: n + 1] - 1.0, 1.0 + self.slack.activities(products)])
        return float(negative @ negative) / (2.0 * self.alpha) - total, gradient

"""A lower bound for problems with a low-rank form, by the Frank-Wolfe method, without a matrix of all pairs.

The low-rank form 1/2 |F'x|^2 is convex. The least value of each field bounds the other interactions of the objective,
so that a separable part remains. At any point y and for any multipliers w of the constraints,

    f(x) >= offset - 1/2 |F'y|^2 - w'limits + sum over sites of the least (separable + F F'y + rows'w)

in all states within the constraints (see `qubo_dnn.bounds.relaxation`), so that every step proves a bound. Bisection
determines one multiplier after another. Sums are in double precision.

Source: Jaggi 2013, "Revisiting Frank-Wolfe: projection-free sparse convex optimization".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.arrays import LinearConstraints, factor_rows
from qubo_dnn.bounds.quick import rounding_margin
from qubo_dnn.bounds.relaxation import UNIT_ROUNDOFF
from qubo_dnn.bounds.site_model import LOOSER, Floats
from qubo_dnn.local_search import LocalModel
from qubo_dnn.presolve.dominance import field_bounds
from qubo_dnn.problem import Problem
from qubo_dnn.sites import OFF, Sites

_ROWS = 8192
"""Number of rows of the factor that are converted to double precision at once."""
_HALVINGS = 40
_PASSES = 3


@dataclass(frozen=True, eq=False)
class _Factored:
    """A problem's arrays over the N options of its sites, without a matrix of all pairs.

    Attributes:
        sites: the sites; the option "off" of a free variable has zeros everywhere.
        separable: [N] separable part of the objective.
        rows: [m, N] left sides of the constraints.
        limits: [m] right sides.
        loose: [m] allowed violations.
        equal: [m] True for equalities.
    """

    sites: Sites
    separable: Floats
    rows: Floats
    limits: Floats
    loose: Floats
    equal: NDArray[np.bool_]

    def corner(self, values: Floats) -> Floats:
        """Return [N]: 1 at the least value of every site, 0 elsewhere."""
        least = self.sites.least(values)[self.sites.site_of]
        chosen = np.zeros(len(values))
        # The first of equal ones.
        chosen[self.sites.least(np.where(values == least, np.arange(len(values)), len(values)))] = 1.0
        return chosen


def bounds(problem: Problem[Any], over: Callable[[], bool]) -> Iterator[float]:
    """Yield lower bounds of a problem with a low-rank form, one per step, until `over` returns True.

    Args:
        problem: its constraints that are not linear are ignored.
        over: called between steps.

    Example:
        >>> import dimod
        >>> from qubo_dnn.problem import LowRank
        >>> problem = Problem(
        ...     objective=dimod.BinaryQuadraticModel({"a": -1.0, "b": -1.0}, {}, 0.0, "BINARY"),
        ...     decoder=dict,
        ...     low_rank=LowRank(("a", "b"), np.ones((2, 1), np.float32)),
        ... )
        >>> [round(bound, 6) for bound in bounds(problem, over=lambda: False)]
        [-2.0, -0.5]
    """
    assert problem.low_rank is not None
    model, offset = _arrays(problem)
    options = model.sites.variables
    # Row of the factor of every option, -1 where it has none.
    rows = np.where(options == OFF, -1, factor_rows(problem)[options])
    inside = rows >= 0
    factor = problem.low_rank.factor

    def product(y: Floats) -> Floats:
        """Compute F'y."""
        weights = np.zeros(len(factor))
        weights[rows[inside]] = y[inside]
        total = np.zeros(factor.shape[1])
        for part, block in _blocks(factor):
            total += weights[part] @ block
        return total

    def gradient(image: Floats) -> Floats:
        """Return the gradient of the whole objective at F'y = `image`."""
        fields = np.empty(len(factor))
        for part, block in _blocks(factor):
            fields[part] = block @ image
        found = model.separable.copy()
        found[inside] += fields[rows[inside]]
        return found

    norms, lengths = np.empty(len(factor)), np.zeros(len(rows))
    for part, block in _blocks(factor):
        norms[part] = np.linalg.norm(block, axis=1)
    lengths[inside] = norms[rows[inside]]
    reach = float(-model.sites.least(-lengths).sum())
    multipliers = np.zeros(len(model.limits))
    y = model.corner(model.separable)
    image = product(y)
    while True:
        slope = gradient(image)
        multipliers = _multipliers(model, slope, multipliers)
        lifted = slope + multipliers @ model.rows
        value = offset - 0.5 * float(image @ image) + float(model.sites.least(lifted).sum())
        value -= float(multipliers @ model.limits) + float(np.abs(multipliers) @ model.loose)
        size = reach**2 + float(np.abs(model.separable).sum()) + abs(offset)
        size += float(np.abs(multipliers) @ (np.abs(model.limits) + np.abs(model.rows).sum(axis=1)))
        terms = len(model.sites.starts) + factor.shape[1] + 20.0
        yield value - 8.0 * terms * UNIT_ROUNDOFF * size - rounding_margin(problem)
        if over():
            return
        ahead = _towards(model, slope, multipliers)
        way = product(ahead) - image
        bend = float(way @ way)
        fall = float(model.separable @ (ahead - y) + image @ way)
        step = 1.0 if bend <= 0.0 else min(1.0, max(0.0, -fall / bend))
        if not step > 0.0:
            return
        y, image = y + step * (ahead - y), image + step * way


def _blocks(factor: NDArray[np.float32]) -> Iterator[tuple[slice, Floats]]:
    """Yield the rows of a factor in double precision, some at once, and which they are."""
    for a in range(0, len(factor), _ROWS):
        part = slice(a, a + _ROWS)
        yield part, factor[part].astype(float)


def _arrays(problem: Problem[Any]) -> tuple[_Factored, float]:
    local = LocalModel(problem)
    form, sites = local.forms[0], local.sites
    constraints = LinearConstraints.of([each for each in local.constraints if each.is_linear], problem.index)
    rows, limits = constraints.upper_form()
    model = _Factored(
        sites=sites,
        separable=sites.at_options((form.linear + field_bounds(local)[0]) / 2.0),
        rows=sites.at_options(rows),
        limits=limits,
        loose=LOOSER * constraints.tolerances,
        equal=constraints.equal,
    )
    return model, form.offset


def _multipliers(model: _Factored, slope: Floats, start: Floats) -> Floats:
    """Return [m] nearly optimal multipliers for a gradient, one after another."""
    found = start.copy()
    for _ in range(_PASSES if len(found) > 1 else 1):
        for k in range(len(found)):
            found[k] = 0.0
            others = slope + found @ model.rows
            found[k] = _multiplier(model, others, k)
    return found


def _multiplier(model: _Factored, slope: Floats, k: int) -> float:
    """Return the multiplier of one constraint, on the side where the constraint holds if possible."""
    row, limit = model.rows[k], float(model.limits[k])

    def beyond(weight: float) -> float:
        return float(row @ model.corner(slope + weight * row)) - limit

    first = beyond(0.0)
    if first == 0.0 or (first < 0.0 and not model.equal[k]):
        return 0.0
    sign = 1.0 if first > 0.0 else -1.0
    scale = float(np.abs(slope).max()) / (float(np.abs(row).max()) or 1.0) or 1.0
    low, high = 0.0, 1e-6 * scale
    while sign * beyond(sign * high) > 0.0:
        low, high = high, 4.0 * high
        if high > 1e9 * scale:
            return sign * low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if sign * beyond(sign * middle) > 0.0 else (low, middle)
    return sign * high


def _towards(model: _Factored, slope: Floats, multipliers: Floats) -> Floats:
    """Return the [n] target of a step: a corner, or a mixture of two that meets the most violated constraint."""
    met = model.corner(slope + multipliers @ model.rows)
    bound = np.flatnonzero(multipliers)
    if not len(bound):
        return met
    spare = np.abs(model.limits[bound] - model.rows[bound] @ met) / np.maximum(1.0, np.abs(model.limits[bound]))
    k = int(bound[np.argmax(spare)])
    less = multipliers.copy()
    less[k] *= 1.0 - 1e-9
    other = model.corner(slope + less @ model.rows)
    at, beyond = float(model.rows[k] @ met - model.limits[k]), float(model.rows[k] @ other - model.limits[k])
    share = 0.0 if beyond == at else min(1.0, max(0.0, -at / (beyond - at)))
    mixed: Floats = met + share * (other - met)
    return mixed

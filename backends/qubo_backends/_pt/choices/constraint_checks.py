"""Which options keep the linear constraints, and what options pay at prices instead.

The energies of options that break a constraint are set to infinity. Functions that run for every replica take the
arrays they need and no more: a model is long to hand over.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.replicas import add_terms, variable
from qubo_backends._shared.jit import inner


@inner
def _within(model: ChoiceModel, sums: NDArray[np.float64], i: int) -> bool:
    """Return whether the constraints of a variable hold; those of "off" (-1) do."""
    if i >= 0:
        for t in range(model.terms[i], model.terms[i + 1]):
            c = model.term_constraints[t]
            if not model.lowers[c] <= sums[c] <= model.uppers[c]:
                return False
    return True


@inner
def _copy_sums(model: ChoiceModel, site: int, source: NDArray[np.float64], target: NDArray[np.float64]) -> None:
    """Copy the left sides that a site's options are in."""
    first = model.firsts[site]
    for t in range(model.terms[first], model.terms[first + model.sizes[site] - model.offs[site]]):
        target[model.term_constraints[t]] = source[model.term_constraints[t]]


@inner
def forbid_by_weights(
    weights: NDArray[np.float64],
    low: float,
    high: float,
    first: int,
    off: int,
    now: int,
    energies: NDArray[np.float64],
) -> None:
    """Forbid the options that leave one constraint.

    Args:
        weights: coefficients.
        low: least that the constraint leaves to this site.
        high: most.
        first: place of the coefficient of the site's first variable.
        off: 1 for a free variable.
        now: its present option.
        energies: [options].
    """
    for k in range(energies.size):
        weight = weights[first + k - off] if k >= off else 0.0
        if k != now and not low <= weight <= high:
            energies[k] = math.inf


@inner
def forbid_options(
    model: ChoiceModel,
    sums: NDArray[np.float64],
    site: int,
    now: int,
    energies: NDArray[np.float64],
    trial: NDArray[np.float64],
) -> None:
    """Set the energies of options that break a linear constraint to infinity.

    Args:
        model: see there.
        sums: [constraints] left sides of the replica.
        site: any.
        now: its present option.
        energies: [options].
        trial: [constraints] scratch.
    """
    if model.table.size:
        first, off, size = model.firsts[site], model.offs[site], model.sizes[site]
        for c in range(model.table.shape[0]):
            weights = model.table[c]
            rest = sums[c] - (weights[first + now - off] if now >= off else 0.0)
            low, high = model.lowers[c] - rest, model.uppers[c] - rest
            forbid_by_weights(weights, low, high, first, off, now, energies[:size])
        return
    _copy_sums(model, site, sums, trial)
    present = variable(model, site, now)
    add_terms(model, trial, present, -1.0)
    for k in range(model.sizes[site]):
        i = variable(model, site, k)
        if k != now:
            add_terms(model, trial, i, 1.0)
            if not (_within(model, trial, i) and _within(model, trial, present)):
                energies[k] = math.inf
            add_terms(model, trial, i, -1.0)


@inner
def charge_options(
    model: ChoiceModel,
    slopes: NDArray[np.float64],
    prices: NDArray[np.float64],
    site: int,
    energies: NDArray[np.float64],
) -> None:
    """Add to the energies of options what they pay for their part in left sides.

    Args:
        model: see there.
        slopes: [entries] of the replica, see `QuadraticConstraints`.
        prices: [constraints] per unit of a left side.
        site: any.
        energies: [options].
    """
    off, size = model.offs[site], model.sizes[site]
    for k in range(off, size):
        i = model.firsts[site] + k - off
        for t in range(model.terms[i], model.terms[i + 1]):
            energies[k] += prices[model.term_constraints[t]] * model.term_weights[t]
    if model.quadratic is not None:
        quadratic = model.quadratic
        for b in range(quadratic.site_starts[site], quadratic.site_starts[site + 1]):
            price, first = prices[quadratic.constraints[b]], quadratic.firsts[b]
            for k in range(off, size):
                energies[k] += price * slopes[first + k - off]


@inner
def forbid_pairs(
    model: ChoiceModel,
    sums: NDArray[np.float64],
    sites: tuple[int, int],
    now: tuple[int, int],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    energies: NDArray[np.float64],
    trial: NDArray[np.float64],
) -> None:
    """Set the energies of pairs of options that break a linear constraint to infinity.

    Args:
        model: see there.
        sums: [constraints] left sides of the replica.
        sites: two.
        now: their present options.
        left: options of the first site.
        right: options of the second.
        energies: [left.size * right.size].
        trial: [constraints] scratch.
    """
    a, b = sites
    if model.table.size:
        _forbid_pairs_by_table(model, sums, sites, now, left, right, energies)
        return
    _copy_sums(model, a, sums, trial)
    _copy_sums(model, b, sums, trial)
    present_a, present_b = variable(model, a, now[0]), variable(model, b, now[1])
    add_terms(model, trial, present_a, -1.0)
    add_terms(model, trial, present_b, -1.0)
    for p in range(left.size):
        of_a = variable(model, a, left[p])
        add_terms(model, trial, of_a, 1.0)
        for q in range(right.size):
            of_b = variable(model, b, right[q])
            add_terms(model, trial, of_b, 1.0)
            kept = _within(model, trial, of_a) and _within(model, trial, of_b)
            kept = kept and _within(model, trial, present_a) and _within(model, trial, present_b)
            if not kept and (left[p] != now[0] or right[q] != now[1]):
                energies[p * right.size + q] = math.inf
            add_terms(model, trial, of_b, -1.0)
        add_terms(model, trial, of_a, -1.0)


@inner
def _forbid_pairs_by_table(
    model: ChoiceModel,
    sums: NDArray[np.float64],
    sites: tuple[int, int],
    now: tuple[int, int],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    energies: NDArray[np.float64],
) -> None:
    a, b = sites
    first_a, off_a, first_b, off_b = model.firsts[a], model.offs[a], model.firsts[b], model.offs[b]
    size = right.size
    for c in range(model.table.shape[0]):
        weights = model.table[c]
        rest = sums[c]
        rest -= weights[first_a + now[0] - off_a] if now[0] >= off_a else 0.0
        rest -= weights[first_b + now[1] - off_b] if now[1] >= off_b else 0.0
        low, high = model.lowers[c] - rest, model.uppers[c] - rest
        for p in range(left.size):
            mine = weights[first_a + left[p] - off_a] if left[p] >= off_a else 0.0
            for q in range(size):
                both = mine + (weights[first_b + right[q] - off_b] if right[q] >= off_b else 0.0)
                if not low <= both <= high and (left[p] != now[0] or right[q] != now[1]):
                    energies[p * size + q] = math.inf

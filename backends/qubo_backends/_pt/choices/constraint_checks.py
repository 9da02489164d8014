"""Which options keep the constraints; the energies of the others are set to infinity.

Functions that run for every replica take the arrays they need and no more: a model is long to hand over.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.quadratic_constraints import interaction, slope_change
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
def _forbid_by_weights(
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
    slopes: NDArray[np.float64],
    site: int,
    now: int,
    energies: NDArray[np.float64],
    trial: NDArray[np.float64],
) -> None:
    """Set the energies of options that break a constraint to infinity.

    Args:
        model: see there.
        sums: [constraints] left sides of the replica.
        slopes: [entries] of the replica, see `QuadraticConstraints`.
        site: any.
        now: its present option.
        energies: [options].
        trial: [constraints] scratch.
    """
    first, off, size = model.firsts[site], model.offs[site], model.sizes[site]
    if slopes.size:
        quadratic = model.quadratic
        for b in range(quadratic.site_starts[site], quadratic.site_starts[site + 1]):
            c, begin = quadratic.constraints[b], quadratic.firsts[b]
            rest = sums[c] - (slopes[begin + now - off] if now >= off else 0.0)
            low, high = model.lowers[c] - rest, model.uppers[c] - rest
            _forbid_by_weights(slopes, low, high, begin, off, now, energies[:size])
    if model.table.size:
        for c in range(model.table.shape[0]):
            weights = model.table[c]
            rest = sums[c] - (weights[first + now - off] if now >= off else 0.0)
            low, high = model.lowers[c] - rest, model.uppers[c] - rest
            _forbid_by_weights(weights, low, high, first, off, now, energies[:size])
    if model.table.size or not model.term_weights.size:
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
def forbid_pairs(
    model: ChoiceModel,
    sums: NDArray[np.float64],
    slopes: NDArray[np.float64],
    sites: tuple[int, int],
    now: tuple[int, int],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    energies: NDArray[np.float64],
    trial: NDArray[np.float64],
) -> None:
    """Set the energies of pairs of options that break a constraint to infinity.

    Args:
        model: see there.
        sums: [constraints] left sides of the replica.
        slopes: [entries] of the replica, see `QuadraticConstraints`.
        sites: two.
        now: their present options.
        left: options of the first site.
        right: options of the second.
        energies: [left.size * right.size].
        trial: [constraints] scratch.
    """
    a, b = sites
    if slopes.size:
        _forbid_pairs_by_slopes(model, sums, slopes, sites, now, left, right, energies)
    if model.table.size:
        _forbid_pairs_by_table(model, sums, sites, now, left, right, energies)
    if model.table.size or not model.term_weights.size:
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


@inner
def _forbid_pairs_by_slopes(
    model: ChoiceModel,
    sums: NDArray[np.float64],
    slopes: NDArray[np.float64],
    sites: tuple[int, int],
    now: tuple[int, int],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    energies: NDArray[np.float64],
) -> None:
    """Forbid by the constraints of degree two, which the blocks of either site name in ascending order."""
    quadratic, none = model.quadratic, model.constants.size
    at_a, end_a = quadratic.site_starts[sites[0]], quadratic.site_starts[sites[0] + 1]
    at_b, end_b = quadratic.site_starts[sites[1]], quadratic.site_starts[sites[1] + 1]
    while at_a < end_a or at_b < end_b:
        of_a = quadratic.constraints[at_a] if at_a < end_a else none
        of_b = quadratic.constraints[at_b] if at_b < end_b else none
        c = min(of_a, of_b)
        firsts = quadratic.firsts[at_a] if of_a == c else -1, quadratic.firsts[at_b] if of_b == c else -1
        bounds = model.lowers[c] - sums[c], model.uppers[c] - sums[c]
        offs = model.offs[sites[0]], model.offs[sites[1]]
        _forbid_pairs_by_block(model, slopes, bounds, firsts, offs, now, left, right, energies)
        at_a += int(of_a == c)
        at_b += int(of_b == c)


@inner
def _forbid_pairs_by_block(
    model: ChoiceModel,
    slopes: NDArray[np.float64],
    bounds: tuple[float, float],
    firsts: tuple[int, int],
    offs: tuple[int, int],
    now: tuple[int, int],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    energies: NDArray[np.float64],
) -> None:
    """Forbid the pairs of options that change one left side by more than its bounds leave.

    Args:
        model: see there.
        slopes: [entries] of the replica.
        bounds: least and most by which the left side may change.
        firsts: entries of the first variables of both sites; -1 for one that is not in the constraint.
        offs: 1 for a free variable.
        now, left, right, energies: see `forbid_pairs`.
    """
    quadratic, size = model.quadratic, right.size
    now_a = now[0] - offs[0] if firsts[0] >= 0 else -1
    now_b = now[1] - offs[1] if firsts[1] >= 0 else -1
    both = interaction(quadratic, firsts[0], now_a, firsts[1], now_b)
    for p in range(left.size):
        a = left[p] - offs[0] if firsts[0] >= 0 else -1
        # Slopes hold the interactions with the present options, which leave as others come.
        mine = slope_change(slopes, firsts[0], now_a, a) + both - interaction(quadratic, firsts[0], a, firsts[1], now_b)
        for q in range(size):
            b = right[q] - offs[1] if firsts[1] >= 0 else -1
            change = mine + slope_change(slopes, firsts[1], now_b, b)
            change += interaction(quadratic, firsts[0], a, firsts[1], b)
            change -= interaction(quadratic, firsts[0], now_a, firsts[1], b)
            if not bounds[0] <= change <= bounds[1] and (left[p] != now[0] or right[q] != now[1]):
                energies[p * size + q] = math.inf

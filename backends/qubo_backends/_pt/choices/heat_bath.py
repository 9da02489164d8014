"""Options drawn anew by exact heat bath over those that keep all constraints, of one site or of two together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qubo_backends._jit import inner
from qubo_backends._pt.choices.energies import (
    MOST_OPTIONS,
    Workspace,
    option_energies,
    pair_block,
    restore,
    save,
    shift,
    within,
)
from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.random import below, uniform
from qubo_backends._pt.choices.replicas import Replicas, change, variable

# A state this much above the best, in units of the temperature, is never drawn.
_NEVER = 45.0


@inner
def draw_option(
    model: ChoiceModel, replicas: Replicas, site: int, betas: NDArray[np.float64], workspace: Workspace
) -> None:
    """Draw the option of a site anew in every replica, by heat bath.

    Args:
        model: see there.
        replicas: changed in place.
        site: any.
        betas: [replicas].
        workspace: for as many replicas.
    """
    energies, weights, size = workspace.here, workspace.weights, model.sizes[site]
    option_energies(model, replicas, site, workspace.lanes, energies)
    for r in range(betas.size):
        now = replicas.choices[r, site]
        if model.constants.size:
            forbid_options(model, replicas.sums[r], site, now, energies[r], workspace.saved)
        lowest = math.inf
        for k in range(size):
            lowest = min(lowest, energies[r, k])
        total = 0.0
        for k in range(size):
            x = betas[r] * (energies[r, k] - lowest)
            if x < _NEVER:
                total += math.exp(-x)
            weights[k] = total
        aim, to = uniform(replicas.random, r) * total, 0
        while to < size - 1 and weights[to] <= aim:
            to += 1
        if to != now and energies[r, to] < math.inf:
            replicas.energies[r] += energies[r, to] - energies[r, now]
            change(model, replicas, r, site, to)
            workspace.made[r] += 1


# What is called for every replica takes the arrays it needs and no more: a model is long to hand over.
@inner
def _forbid_by_table(
    weights: NDArray[np.float64],
    low: float,
    high: float,
    first: int,
    off: int,
    now: int,
    energies: NDArray[np.float64],
) -> None:
    """Set the energies of options that leave a constraint to infinity.

    Args:
        weights: [n] coefficients.
        low: least that the constraint leaves to this site.
        high: most.
        first: the site's first variable.
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
    saved: NDArray[np.float64],
) -> None:
    """Set the energies of options that break a constraint to infinity."""
    if model.table.size:
        first, off, size = model.firsts[site], model.offs[site], model.sizes[site]
        for c in range(sums.size):
            weights = model.table[c]
            rest = sums[c] - (weights[first + now - off] if now >= off else 0.0)
            low, high = model.lowers[c] - rest, model.uppers[c] - rest
            _forbid_by_table(weights, low, high, first, off, now, energies[:size])
        return
    save(model, sums, site, saved)
    present = variable(model, site, now)
    shift(model, sums, present, -1.0)
    for k in range(model.sizes[site]):
        i = variable(model, site, k)
        if k != now:
            shift(model, sums, i, 1.0)
            if not (within(model, sums, i) and within(model, sums, present)):
                energies[k] = math.inf
            shift(model, sums, i, -1.0)
    restore(model, sums, site, saved)


@inner
def _draw_part(random: NDArray[np.uint64], r: int, size: int, now: int, part: NDArray[np.int64]) -> int:
    """Options to draw from: all, or the present one and random others, as likely from whichever of them.

    Returns:
        How many; they are in `part`.
    """
    count = min(size, MOST_OPTIONS)
    if size == count:
        for k in range(size):
            part[k] = k
        return count
    part[0] = now
    taken = 1
    while taken < count:
        k = below(random, r, size)
        fresh = True
        for other in range(taken):
            fresh = fresh and part[other] != k
        if fresh:
            part[taken] = k
            taken += 1
    return count


@inner
def _forbid_pairs(
    model: ChoiceModel,
    sums: NDArray[np.float64],
    a: int,
    b: int,
    now: tuple[int, int],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    workspace: Workspace,
) -> None:
    """Set the energies of pairs of options that break a constraint to infinity; [left.size * right.size]."""
    if model.table.size:
        _forbid_pairs_by_table(model, sums, a, b, now, left, right, workspace)
        return
    save(model, sums, a, workspace.saved)
    save(model, sums, b, workspace.saved)
    present_a, present_b = variable(model, a, now[0]), variable(model, b, now[1])
    shift(model, sums, present_a, -1.0)
    shift(model, sums, present_b, -1.0)
    for p in range(left.size):
        of_a = variable(model, a, left[p])
        shift(model, sums, of_a, 1.0)
        for q in range(right.size):
            of_b = variable(model, b, right[q])
            shift(model, sums, of_b, 1.0)
            kept = within(model, sums, of_a) and within(model, sums, of_b)
            kept = kept and within(model, sums, present_a) and within(model, sums, present_b)
            if not kept and (left[p] != now[0] or right[q] != now[1]):
                workspace.weights[p * right.size + q] = math.inf
            shift(model, sums, of_b, -1.0)
        shift(model, sums, of_a, -1.0)
    restore(model, sums, a, workspace.saved)
    restore(model, sums, b, workspace.saved)


@inner
def _forbid_pairs_by_table(
    model: ChoiceModel,
    sums: NDArray[np.float64],
    a: int,
    b: int,
    now: tuple[int, int],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    workspace: Workspace,
) -> None:
    first_a, off_a, first_b, off_b = model.firsts[a], model.offs[a], model.firsts[b], model.offs[b]
    size = right.size
    for c in range(sums.size):
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
                    workspace.weights[p * size + q] = math.inf


@inner
def draw_pair(
    model: ChoiceModel, replicas: Replicas, a: int, b: int, betas: NDArray[np.float64], workspace: Workspace
) -> None:
    """Draw the options of two sites together in every replica, by heat bath over the feasible pairs.

    A tight budget leaves little to single sites: what one takes another has to give.
    """
    here, there, block, weights = workspace.here, workspace.there, workspace.block, workspace.weights
    option_energies(model, replicas, a, workspace.lanes, here)
    option_energies(model, replicas, b, workspace.lanes, there)
    pair_block(model, a, b, block)
    for r in range(betas.size):
        now_a, now_b = replicas.choices[r, a], replicas.choices[r, b]
        left = workspace.left[: _draw_part(replicas.random, r, model.sizes[a], now_a, workspace.left)]
        right = workspace.right[: _draw_part(replicas.random, r, model.sizes[b], now_b, workspace.right)]
        size = right.size
        for p in range(left.size):
            i = left[p]
            alone = here[r, i] - here[r, now_a] - block[i, now_b] + block[now_a, now_b]
            for q in range(size):
                j = right[q]
                weights[p * size + q] = alone + (there[r, j] - there[r, now_b]) - block[now_a, j] + block[i, j]
        if model.constants.size:
            _forbid_pairs(model, replicas.sums[r], a, b, (now_a, now_b), left, right, workspace)
        lowest = 0.0
        for w in range(left.size * size):
            lowest = min(lowest, weights[w])
        # The pairs as likely as any are few in the cold: the others need no exponential.
        total, reach = 0.0, lowest + _NEVER / betas[r]
        for w in range(left.size * size):
            if weights[w] < reach:
                total += math.exp(-betas[r] * (weights[w] - lowest))
        aim, drawn, last = uniform(replicas.random, r) * total, 0, 0
        while drawn < left.size * size:
            if weights[drawn] < reach:
                last = drawn
                aim -= math.exp(-betas[r] * (weights[drawn] - lowest))
                if aim < 0.0:
                    break
            drawn += 1
        i, j = left[last // size], right[last % size]
        if i != now_a or j != now_b:
            replicas.energies[r] += weights[last]
            if i != now_a:
                change(model, replicas, r, a, i)
            if j != now_b:
                change(model, replicas, r, b, j)
            workspace.made[r] += 1

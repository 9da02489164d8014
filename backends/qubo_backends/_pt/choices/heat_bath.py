"""Options drawn by exact heat bath over those that keep all constraints, of one site or of two together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.constraint_checks import charge_options, forbid_options, forbid_pairs
from qubo_backends._pt.choices.energies import MOST_OPTIONS, Mode, Workspace, option_energies, pair_block
from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.quadratic_checks import forbid_options_by_slopes, forbid_pairs_by_slopes
from qubo_backends._pt.choices.replicas import Replicas, change, change_slopes
from qubo_backends._pt.random import below, uniform
from qubo_backends._shared.jit import inner

# A state this much above the best, in units of the temperature, is never drawn.
_NEVER = 45.0


@inner
def draw_option(
    model: ChoiceModel, replicas: Replicas, site: int, workspace: Workspace, mode: Mode, trial: bool
) -> None:
    """Draw an option of a site in every replica, by heat bath.

    Args:
        model: see there.
        replicas: changed in place.
        site: any.
        workspace: for as many replicas.
        mode: see there.
        trial: change nothing, but write what a uniformly drawn option would change into `workspace.changes`.
    """
    energies, weights, size = workspace.here, workspace.weights, model.sizes[site]
    option_energies(model, replicas, site, workspace.lanes, energies)
    linear = model.term_weights.size > 0
    for r in range(replicas.energies.size):
        now, beta = replicas.choices[r, site], workspace.betas[r]
        if mode.priced:
            charge_options(model, replicas.slopes[r], workspace.prices[r], site, energies[r])
        if mode.kept and linear:
            forbid_options(model, replicas.sums[r], site, now, energies[r], workspace.saved)
        if model.quadratic is not None and mode.kept:
            forbid_options_by_slopes(model, replicas.sums[r], replicas.slopes[r], site, now, energies[r])
        if trial:
            workspace.changes[r] = energies[r, below(replicas.random, r, size)] - energies[r, now]
            continue
        lowest = math.inf
        for k in range(size):
            lowest = min(lowest, energies[r, k])
        total = 0.0
        for k in range(size):
            x = beta * (energies[r, k] - lowest)
            if x < _NEVER:
                total += math.exp(-x)
            weights[k] = total
        aim, to = uniform(replicas.random, r) * total, 0
        while to < size - 1 and weights[to] <= aim:
            to += 1
        if to != now and energies[r, to] < math.inf:
            replicas.energies[r] += energies[r, to] - energies[r, now]
            if model.quadratic is not None:
                change_slopes(model, replicas, r, site, to)
            change(model, replicas, r, site, to)
            workspace.made[r] += 1


@inner
def _draw_part(random: NDArray[np.uint64], r: int, size: int, now: int, part: NDArray[np.int64]) -> int:
    """Options to draw from: all, or the present one and random others, as likely from whichever of them.

    Returns:
        The number of options; they are in `part`.
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
def draw_pair(model: ChoiceModel, replicas: Replicas, a: int, b: int, workspace: Workspace, trial: bool) -> None:
    """Draw the options of two sites together in every replica, by heat bath over the feasible pairs.

    A tight budget leaves little to single sites: one site has to give what another takes. See `draw_option` for the
    arguments.
    """
    here, there, block, weights = workspace.here, workspace.there, workspace.block, workspace.weights
    option_energies(model, replicas, a, workspace.lanes, here)
    option_energies(model, replicas, b, workspace.lanes, there)
    pair_block(model, a, b, block)
    linear = model.term_weights.size > 0
    for r in range(replicas.energies.size):
        now_a, now_b, beta = replicas.choices[r, a], replicas.choices[r, b], workspace.betas[r]
        left = workspace.left[: _draw_part(replicas.random, r, model.sizes[a], now_a, workspace.left)]
        right = workspace.right[: _draw_part(replicas.random, r, model.sizes[b], now_b, workspace.right)]
        size = right.size
        for p in range(left.size):
            i = left[p]
            alone = here[r, i] - here[r, now_a] - block[i, now_b] + block[now_a, now_b]
            for q in range(size):
                j = right[q]
                weights[p * size + q] = alone + (there[r, j] - there[r, now_b]) - block[now_a, j] + block[i, j]
        if linear:
            forbid_pairs(model, replicas.sums[r], (a, b), (now_a, now_b), left, right, weights, workspace.saved)
        if model.quadratic is not None:
            sums, slopes = replicas.sums[r], replicas.slopes[r]
            forbid_pairs_by_slopes(model, sums, slopes, (a, b), (now_a, now_b), left, right, weights)
        if trial:
            workspace.changes[r] = weights[below(replicas.random, r, left.size * size)]
            continue
        lowest = 0.0
        for w in range(left.size * size):
            lowest = min(lowest, weights[w])
        # The pairs as likely as any are few in the cold: the others need no exponential.
        total, reach = 0.0, lowest + _NEVER / beta
        for w in range(left.size * size):
            if weights[w] < reach:
                total += math.exp(-beta * (weights[w] - lowest))
        aim, drawn, last = uniform(replicas.random, r) * total, 0, 0
        while drawn < left.size * size:
            if weights[drawn] < reach:
                last = drawn
                aim -= math.exp(-beta * (weights[drawn] - lowest))
                if aim < 0.0:
                    break
            drawn += 1
        i, j = left[last // size], right[last % size]
        if i != now_a or j != now_b:
            replicas.energies[r] += weights[last]
            if model.quadratic is not None:
                change_slopes(model, replicas, r, a, i)
                change_slopes(model, replicas, r, b, j)
            if i != now_a:
                change(model, replicas, r, a, i)
            if j != now_b:
                change(model, replicas, r, b, j)
            workspace.made[r] += 1

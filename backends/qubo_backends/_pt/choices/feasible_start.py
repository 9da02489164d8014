"""Feasible states to start from: random ones, mended by a walk down the violation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qubo_backends._jit import compiled, inner
from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.random import below, uniform
from qubo_backends._pt.choices.replicas import add_terms, left_sides, variable

# Of a broken constraint so many sites are looked at, and so many options of each.
_TRIED = 8
# How often a move that helps nothing is made nevertheless, where none helps.
_NOISE = 0.1


@inner
def excess(model: ChoiceModel, sums: NDArray[np.float64], c: int, scales: NDArray[np.float64]) -> float:
    """By how much a left side is beyond its bounds, in units of its scale."""
    return float(max(model.lowers[c] - sums[c], sums[c] - model.uppers[c], 0.0) / scales[c])


@inner
def _of_both(model: ChoiceModel, sums: NDArray[np.float64], old: int, new: int, scales: NDArray[np.float64]) -> float:
    """Violation of the constraints of two options, each counted once."""
    total = 0.0
    if old >= 0:
        for t in range(model.terms[old], model.terms[old + 1]):
            total += excess(model, sums, model.term_constraints[t], scales)
    if new >= 0:
        for t in range(model.terms[new], model.terms[new + 1]):
            c, shared = model.term_constraints[t], False
            if old >= 0:
                for s in range(model.terms[old], model.terms[old + 1]):
                    shared = shared or model.term_constraints[s] == c
            if not shared:
                total += excess(model, sums, c, scales)
    return total


@inner
def _shift(model: ChoiceModel, sums: NDArray[np.float64], old: int, new: int) -> None:
    if old >= 0:
        add_terms(model, sums, old, -1.0)
    if new >= 0:
        add_terms(model, sums, new, 1.0)


@inner
def _effect(model: ChoiceModel, sums: NDArray[np.float64], old: int, new: int, scales: NDArray[np.float64]) -> float:
    """Change of the violation by a switch."""
    before = _of_both(model, sums, old, new, scales)
    _shift(model, sums, old, new)
    after = _of_both(model, sums, old, new, scales)
    _shift(model, sums, new, old)
    return after - before


@compiled
def min_conflicts(
    model: ChoiceModel,
    starts: NDArray[np.int64],
    members: NDArray[np.int64],
    scales: NDArray[np.float64],
    choices: NDArray[np.int32],
    random: NDArray[np.uint64],
    patience: int,
) -> float:
    """Walk from a state to one within the constraints, or to the least violated one met.

    A broken constraint is drawn, and of some of its sites the switch is made that lowers the violation most; where
    none does, a random one of these now and then (Minton et al. 1992, min-conflicts). Constraints without members are
    as much broken in every state, and are not drawn.

    Args:
        model: see there.
        starts: [constraints + 1] where the sites of a constraint begin in `members`.
        members: sites.
        scales: [constraints] > 0, units of violation.
        choices: [sites] changed in place.
        random: [1] generator.
        patience: steps without a new least violation after which it gives up.

    Returns:
        The violation, 0.0 where all constraints hold.
    """
    sums, least = np.empty(model.constants.size), choices.copy()
    left_sides(model, choices, sums)
    broken, place = np.empty(sums.size, np.int64), np.full(sums.size, -1)
    count, violation, always = 0, 0.0, 0.0
    for c in range(sums.size):
        if starts[c] == starts[c + 1]:
            always += excess(model, sums, c, scales)
        elif excess(model, sums, c, scales) > 0.0:
            broken[count], place[c] = c, count
            count += 1
            violation += excess(model, sums, c, scales)
    lowest, waited = violation, 0
    while count and waited < patience:
        waited += 1
        c = broken[below(random, 0, count)]
        best, best_site, best_option = math.inf, -1, -1
        for _ in range(_TRIED):
            site = members[starts[c] + below(random, 0, starts[c + 1] - starts[c])]
            now, size = choices[site], model.sizes[site]
            first = below(random, 0, size)
            for step in range(min(size, 2 * _TRIED)):
                option = (first + step) % size
                if option != now:
                    effect = _effect(model, sums, variable(model, site, now), variable(model, site, option), scales)
                    if effect < best:
                        best, best_site, best_option = effect, site, option
        if best_site < 0 or (best > 0.0 and uniform(random, 0) >= _NOISE):
            continue
        old, new = variable(model, best_site, choices[best_site]), variable(model, best_site, best_option)
        choices[best_site] = best_option
        for i, sign in ((old, -1.0), (new, 1.0)):
            if i >= 0:
                for t in range(model.terms[i], model.terms[i + 1]):
                    c = model.term_constraints[t]
                    if starts[c] == starts[c + 1]:
                        continue
                    violation -= excess(model, sums, c, scales)
                    sums[c] += sign * model.term_weights[t]
                    amount = excess(model, sums, c, scales)
                    violation += amount
                    if amount > 0.0 and place[c] < 0:
                        broken[count], place[c] = c, count
                        count += 1
                    elif amount == 0.0 and place[c] >= 0:
                        count -= 1
                        broken[place[c]] = broken[count]
                        place[broken[count]] = place[c]
                        place[c] = -1
        if violation < lowest - 1e-12:
            lowest, waited = violation, 0
            least[:] = choices
    if not count:
        return always
    choices[:] = least
    return lowest + always

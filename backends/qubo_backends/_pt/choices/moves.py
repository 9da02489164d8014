"""Moves that keep all constraints: a site's option drawn anew, those of two sites together, and exchanges.

Draws are exact heat baths over the feasible options, exchanges are Metropolis moves: both in detailed balance.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qubo_backends._jit import compiled, inner
from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.products import add_products
from qubo_backends._pt.choices.random import below, uniform
from qubo_backends._pt.choices.replicas import Replicas, add_terms, change, variable

# Of two sites with more options each, a random part is drawn from: all pairs of options cost too much.
MOST_OPTIONS = 8
# A state this much above the best, in units of the temperature, is never drawn.
_NEVER = 45.0


class Room(NamedTuple):
    """Room for moves to work in, for one thread.

    Attributes:
        here, there: [replicas, options] energies of the options of two sites.
        block: [options, options] coupling of every two of them.
        weights: [options * options].
        left, right: [MOST_OPTIONS or options] options taken part of.
        lanes: [replicas] 0, 1, ...
        saved: [constraints] left sides.
        made: [replicas] moves made; never reset by a move.
    """

    here: NDArray[np.float64]
    there: NDArray[np.float64]
    block: NDArray[np.float64]
    weights: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    lanes: NDArray[np.int64]
    saved: NDArray[np.float64]
    made: NDArray[np.int64]


def room_for(model: ChoiceModel, replicas: int) -> Room:
    """Room for as many replicas."""
    most = int(model.sizes.max(initial=1))
    return Room(
        np.zeros((replicas, most)),
        np.zeros((replicas, most)),
        np.zeros((most, most)),
        np.zeros(max(most, MOST_OPTIONS**2)),
        np.zeros(most, np.int64),
        np.zeros(most, np.int64),
        np.arange(replicas),
        np.zeros(len(model.constants)),
        np.zeros(replicas, np.int64),
    )


@compiled
def option_energies(
    model: ChoiceModel, replicas: Replicas, site: int, lanes: NDArray[np.int64], out: NDArray[np.float64]
) -> None:
    """Energy of every option of a site in all replicas, but for a constant of the replica; [replicas, options]."""
    first, off, size = model.firsts[site], model.offs[site], model.sizes[site]
    for r in range(lanes.size):
        out[r, 0] = 0.0
        for k in range(off, size):
            out[r, k] = replicas.fields[r, first + k - off]
    if replicas.projections.shape[1]:
        count = size - off
        add_products(model.factor, model.factor_rows[first : first + count], replicas.projections, lanes, out, off)
        gram = model.gram[model.gram_starts[site] : model.gram_starts[site + 1]]
        for r in range(lanes.size):
            now = replicas.choices[r, site] - off
            for k in range(count):
                # The projection holds the present option, which leaves as another comes.
                out[r, off + k] += 0.5 * gram[k * count + k] - (gram[k * count + now] if now >= 0 else 0.0)


@inner
def coupling(model: ChoiceModel, i: int, j: int) -> float:
    """Q_ij, without the low-rank form."""
    begin, end = model.starts[i], model.starts[i + 1]
    if model.columns.size == 0:
        return float(model.values[begin + j])
    while begin < end:
        middle = (begin + end) // 2
        if model.columns[middle] < j:
            begin = middle + 1
        else:
            end = middle
    return float(model.values[begin]) if begin < model.starts[i + 1] and model.columns[begin] == j else 0.0


@inner
def pair_block(model: ChoiceModel, a: int, b: int, block: NDArray[np.float64]) -> None:
    """Coupling of every option of site `a` with every option of site `b`, with the low-rank form."""
    off_a, off_b = model.offs[a], model.offs[b]
    first_a, first_b = model.firsts[a], model.firsts[b]
    count_a, count_b = model.sizes[a] - off_a, model.sizes[b] - off_b
    block[: model.sizes[a], : model.sizes[b]] = 0.0
    for k in range(count_a):
        begin, end = model.starts[first_a + k], model.starts[first_a + k + 1]
        if model.columns.size == 0:
            for m in range(count_b):
                block[off_a + k, off_b + m] = model.values[begin + first_b + m]
        else:
            last = end
            while begin < end:
                middle = (begin + end) // 2
                if model.columns[middle] < first_b:
                    begin = middle + 1
                else:
                    end = middle
            while begin < last and model.columns[begin] < first_b + count_b:
                block[off_a + k, off_b + model.columns[begin] - first_b] = model.values[begin]
                begin += 1
    if model.factor.shape[1]:
        mine, theirs = model.factor_rows[first_a : first_a + count_a], model.factor_rows[first_b : first_b + count_b]
        add_products(model.factor, theirs, model.factor, mine, block[off_a:], off_b)


@inner
def within(model: ChoiceModel, sums: NDArray[np.float64], i: int) -> bool:
    """Whether the constraints of a variable hold; those of "off" (-1) do."""
    if i >= 0:
        for t in range(model.terms[i], model.terms[i + 1]):
            c = model.term_constraints[t]
            if not model.lowers[c] <= sums[c] <= model.uppers[c]:
                return False
    return True


@inner
def _save(model: ChoiceModel, sums: NDArray[np.float64], site: int, saved: NDArray[np.float64]) -> None:
    """Remember the left sides that a site's options are in: what is added and taken away may leave a rounding error."""
    first = model.firsts[site]
    for t in range(model.terms[first], model.terms[first + model.sizes[site] - model.offs[site]]):
        saved[model.term_constraints[t]] = sums[model.term_constraints[t]]


@inner
def _restore(model: ChoiceModel, sums: NDArray[np.float64], site: int, saved: NDArray[np.float64]) -> None:
    first = model.firsts[site]
    for t in range(model.terms[first], model.terms[first + model.sizes[site] - model.offs[site]]):
        sums[model.term_constraints[t]] = saved[model.term_constraints[t]]


@inner
def _shift(model: ChoiceModel, sums: NDArray[np.float64], i: int, sign: float) -> None:
    if i >= 0:
        add_terms(model, sums, i, sign)


@inner
def switch(model: ChoiceModel, replicas: Replicas, site: int, betas: NDArray[np.float64], room: Room) -> None:
    """Draw the option of a site anew in every replica, by heat bath.

    Args:
        model: see there.
        replicas: changed in place.
        site: any.
        betas: [replicas].
        room: for as many replicas.
    """
    energies, weights, size = room.here, room.weights, model.sizes[site]
    option_energies(model, replicas, site, room.lanes, energies)
    for r in range(betas.size):
        now = replicas.choices[r, site]
        if model.constants.size:
            forbid_beyond(model, replicas.sums[r], site, now, energies[r], room.saved)
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
            room.made[r] += 1


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
def forbid_beyond(
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
    _save(model, sums, site, saved)
    present = variable(model, site, now)
    _shift(model, sums, present, -1.0)
    for k in range(model.sizes[site]):
        i = variable(model, site, k)
        if k != now:
            _shift(model, sums, i, 1.0)
            if not (within(model, sums, i) and within(model, sums, present)):
                energies[k] = math.inf
            _shift(model, sums, i, -1.0)
    _restore(model, sums, site, saved)


@inner
def _take_part(random: NDArray[np.uint64], r: int, size: int, now: int, part: NDArray[np.int64]) -> int:
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
    room: Room,
) -> None:
    """Set the energies of pairs of options that break a constraint to infinity; [left.size * right.size]."""
    if model.table.size:
        _forbid_pairs_by_table(model, sums, a, b, now, left, right, room)
        return
    _save(model, sums, a, room.saved)
    _save(model, sums, b, room.saved)
    present_a, present_b = variable(model, a, now[0]), variable(model, b, now[1])
    _shift(model, sums, present_a, -1.0)
    _shift(model, sums, present_b, -1.0)
    for p in range(left.size):
        of_a = variable(model, a, left[p])
        _shift(model, sums, of_a, 1.0)
        for q in range(right.size):
            of_b = variable(model, b, right[q])
            _shift(model, sums, of_b, 1.0)
            kept = within(model, sums, of_a) and within(model, sums, of_b)
            kept = kept and within(model, sums, present_a) and within(model, sums, present_b)
            if not kept and (left[p] != now[0] or right[q] != now[1]):
                room.weights[p * right.size + q] = math.inf
            _shift(model, sums, of_b, -1.0)
        _shift(model, sums, of_a, -1.0)
    _restore(model, sums, a, room.saved)
    _restore(model, sums, b, room.saved)


@inner
def _forbid_pairs_by_table(
    model: ChoiceModel,
    sums: NDArray[np.float64],
    a: int,
    b: int,
    now: tuple[int, int],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    room: Room,
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
                    room.weights[p * size + q] = math.inf


@inner
def switch_both(model: ChoiceModel, replicas: Replicas, a: int, b: int, betas: NDArray[np.float64], room: Room) -> None:
    """Draw the options of two sites together in every replica, by heat bath over the feasible pairs.

    A tight budget leaves little to single sites: what one takes another has to give.
    """
    here, there, block, weights = room.here, room.there, room.block, room.weights
    option_energies(model, replicas, a, room.lanes, here)
    option_energies(model, replicas, b, room.lanes, there)
    pair_block(model, a, b, block)
    for r in range(betas.size):
        now_a, now_b = replicas.choices[r, a], replicas.choices[r, b]
        left = room.left[: _take_part(replicas.random, r, model.sizes[a], now_a, room.left)]
        right = room.right[: _take_part(replicas.random, r, model.sizes[b], now_b, room.right)]
        size = right.size
        for p in range(left.size):
            i = left[p]
            alone = here[r, i] - here[r, now_a] - block[i, now_b] + block[now_a, now_b]
            for q in range(size):
                j = right[q]
                weights[p * size + q] = alone + (there[r, j] - there[r, now_b]) - block[now_a, j] + block[i, j]
        if model.constants.size:
            _forbid_pairs(model, replicas.sums[r], a, b, (now_a, now_b), left, right, room)
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
            room.made[r] += 1


@inner
def _options_of(model: ChoiceModel, site: int, equality: int) -> tuple[int, int]:
    """First option of a site with this equality (-1: with none), and how many there are."""
    first, off, size = model.firsts[site], model.offs[site], model.sizes[site]
    if off:
        on = model.equalities[first]
        if on == equality:
            # Both options where the variable is in no equality.
            return (0, 2) if equality < 0 else (1, 1)
        return 0, (1 if equality < 0 else 0)
    # Options stand in the order of their equalities, and most often one for each.
    if 0 <= equality < size and model.equalities[first + equality] == equality:
        low = equality
    else:
        low, high = 0, size
        while low < high:
            middle = (low + high) // 2
            if model.equalities[first + middle] < equality:
                low = middle + 1
            else:
                high = middle
    end = low
    while end < size and model.equalities[first + end] == equality:
        end += 1
    while low > 0 and model.equalities[first + low - 1] == equality:
        low -= 1
    return low, end - low


@inner
def allowed(
    model: ChoiceModel, sums: NDArray[np.float64], a: int, i: int, b: int, j: int, now: tuple[int, int], room: Room
) -> bool:
    """Whether the constraints hold with option i of site a and option j of site b."""
    _save(model, sums, a, room.saved)
    _save(model, sums, b, room.saved)
    before_a, before_b = variable(model, a, now[0]), variable(model, b, now[1])
    after_a, after_b = variable(model, a, i), variable(model, b, j)
    _shift(model, sums, before_a, -1.0)
    _shift(model, sums, before_b, -1.0)
    _shift(model, sums, after_a, 1.0)
    _shift(model, sums, after_b, 1.0)
    kept = within(model, sums, before_a) and within(model, sums, before_b)
    kept = kept and within(model, sums, after_a) and within(model, sums, after_b)
    _restore(model, sums, a, room.saved)
    _restore(model, sums, b, room.saved)
    return kept


@inner
def exchanged_options(
    model: ChoiceModel, replicas: Replicas, r: int, a: int, b: int, room: Room
) -> tuple[int, int, float, float]:
    """What two sites of a replica become when each takes the other's place in the equalities.

    Returns:
        Their options, -1 where there is no such exchange; the change of the energy; and the probability of proposing
        the way back over that of proposing this.
    """
    now_a, now_b = replicas.choices[r, a], replicas.choices[r, b]
    old_a, old_b = variable(model, a, now_a), variable(model, b, now_b)
    of_a = model.equalities[old_a] if old_a >= 0 else -1
    of_b = model.equalities[old_b] if old_b >= 0 else -1
    if of_a == of_b:
        return -1, -1, 0.0, 1.0
    first_a, ways_a = _options_of(model, a, of_b)
    first_b, ways_b = _options_of(model, b, of_a)
    if ways_a == 0 or ways_b == 0:
        return -1, -1, 0.0, 1.0
    i = first_a + (below(replicas.random, r, ways_a) if ways_a > 1 else 0)
    j = first_b + (below(replicas.random, r, ways_b) if ways_b > 1 else 0)
    if model.inequalities < model.constants.size and not allowed(
        model, replicas.sums[r], a, i, b, j, (now_a, now_b), room
    ):
        return -1, -1, 0.0, 1.0
    new_a, new_b = variable(model, a, i), variable(model, b, j)
    delta = 0.0
    field = replicas.fields[r]
    if new_a >= 0:
        delta += field[new_a]
        if new_b >= 0:
            delta += coupling(model, new_a, new_b)
        if old_b >= 0:
            delta -= coupling(model, new_a, old_b)
    if new_b >= 0:
        delta += field[new_b]
        if old_a >= 0:
            delta -= coupling(model, new_b, old_a)
    if old_a >= 0:
        delta -= field[old_a]
        if old_b >= 0:
            delta += coupling(model, old_a, old_b)
    if old_b >= 0:
        delta -= field[old_b]
    if replicas.projections.shape[1]:
        delta += _projected(model, replicas.projections[r], new_a, new_b, old_a, old_b)
    back = 1.0
    if ways_a * ways_b > 1:
        back = ways_a * ways_b / (_options_of(model, a, of_a)[1] * _options_of(model, b, of_b)[1])
    elif of_a < 0 or of_b < 0:
        back = 1.0 / (_options_of(model, a, of_a)[1] * _options_of(model, b, of_b)[1])
    return i, j, delta, back


@inner
def _entry(model: ChoiceModel, i: int, j: int) -> float:
    return float(model.factor[model.factor_rows[i], j]) if i >= 0 and model.factor_rows[i] >= 0 else 0.0


@inner
def _projected(
    model: ChoiceModel, projection: NDArray[np.float64], new_a: int, new_b: int, old_a: int, old_b: int
) -> float:
    """Change of half the squared norm of a projection."""
    delta = 0.0
    for j in range(projection.size):
        step = _entry(model, new_a, j) + _entry(model, new_b, j) - _entry(model, old_a, j) - _entry(model, old_b, j)
        delta += step * (projection[j] + 0.5 * step)
    return delta


@inner
def exchange(model: ChoiceModel, replicas: Replicas, a: int, b: int, betas: NDArray[np.float64], room: Room) -> None:
    """Offer every replica an exchange of two sites' places in the equalities"""
    for r in range(betas.size):
        i, j, delta, back = exchanged_options(model, replicas, r, a, b, room)
        if i < 0:
            continue
        x = betas[r] * delta - math.log(back)
        if x <= 0.0 or (x < _NEVER and uniform(replicas.random, r) < math.exp(-x)):
            replicas.energies[r] += delta
            change(model, replicas, r, a, i)
            change(model, replicas, r, b, j)
            room.made[r] += 1

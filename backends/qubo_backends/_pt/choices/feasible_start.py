"""States within the constraints to start from, reached by a walk down the violation from any state.

A greedy repair (`qubo_dnn.constraints.repair`, `qubo_backends._choices.repair`) looks at all moves and their energies
before it makes one, and stops where each harms another constraint. Annealing forgets the energy of its start, so this
walk looks at a few moves of one broken constraint only: thousands of constraints take it milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.quadratic_constraints import add_variable, slope_change
from qubo_backends._pt.choices.replicas import sum_left_sides, variable
from qubo_backends._pt.random import ONLY, below, uniform
from qubo_backends._shared.jit import inner, kernel
from qubo_backends._shared.struct import Struct

# Of a broken constraint so many sites are looked at, and so many options of each.
_TRIED = 8
# How often a move that helps nothing is made nevertheless, where none helps.
_NOISE = 0.1
# Whether a switch is made; see `ONLY` for their type.
_TRY, _MAKE = np.bool_(False), np.bool_(True)
# Steps of a walk without progress after which it gives up.
_PATIENCE, _PATIENCE_PER_SITE = 10_000, 10
# The patience of a walk is never halved below this.
_LEAST_PATIENCE = 100


@dataclass(frozen=True, eq=False)
class _Walk(Struct):
    """A model, and where a walk stands; changed in place.

    Attributes:
        model: see there.
        scales: [constraints] > 0, units of violation.
        sums: [constraints] left sides.
        slopes: [entries] of the quadratic constraints.
        steps: [constraints] change of the left sides by a move, zeros between moves.
        broken: [constraints] those that are broken, as many as `number` says.
        place: [constraints] of each in `broken`, -1 where it holds or no site can change it.
        number: [1] of them.
        random: [1] generator.
    """

    model: ChoiceModel
    scales: NDArray[np.float64]
    sums: NDArray[np.float64]
    slopes: NDArray[np.float64]
    steps: NDArray[np.float64]
    broken: NDArray[np.int64]
    place: NDArray[np.int64]
    number: NDArray[np.int64]
    random: NDArray[np.uint64]


@inner
def _excess(walk: _Walk, c: int, step: float) -> float:
    """By how much a left side is beyond its bounds after a step, in units of its scale."""
    value = walk.sums[c] + step
    beyond = walk.model.lowers[c] - value if value < walk.model.lowers[c] else value - walk.model.uppers[c]
    return beyond / walk.scales[c] if beyond > 0.0 else 0.0


@inner
def _mark(walk: _Walk, c: int) -> None:
    """Enter a constraint into the list of broken ones, or take it off, as its left side says."""
    excess, place = _excess(walk, c, 0.0), walk.place[c]
    if excess > 0.0 and place < 0:
        walk.broken[walk.number[0]], walk.place[c] = c, walk.number[0]
        walk.number[0] += 1
    elif excess == 0.0 and place >= 0:
        walk.number[0] -= 1
        last = walk.broken[walk.number[0]]
        walk.broken[place], walk.place[last] = last, place
        walk.place[c] = -1


@inner
def _switch(walk: _Walk, site: int, here: int, there: int, make: np.bool_) -> float:
    """Change of the violation by one option of a site in place of another; made where `make` says so.

    Constraints without members are as much broken in every state, and do not count.
    """
    old, new = variable(walk.model, site, here), variable(walk.model, site, there)
    for i, sign in ((old, -1.0), (new, 1.0)):
        if i >= 0:
            for t in range(walk.model.terms[i], walk.model.terms[i + 1]):
                walk.steps[walk.model.term_constraints[t]] += sign * walk.model.term_weights[t]
    effect = 0.0
    for i in (old, new):
        if i < 0:
            continue
        for t in range(walk.model.terms[i], walk.model.terms[i + 1]):
            c = walk.model.term_constraints[t]
            step = walk.steps[c]
            # A constraint of both variables is met twice.
            walk.steps[c] = 0.0
            if step == 0.0 or walk.model.member_starts[c] == walk.model.member_starts[c + 1]:
                continue
            effect += _excess(walk, c, step) - _excess(walk, c, 0.0)
            if make:
                walk.sums[c] += step
                _mark(walk, c)
    if walk.model.quadratic is not None:
        effect += _bend(walk, site, here, there, make)
    return effect


@inner
def _bend(walk: _Walk, site: int, here: int, there: int, make: np.bool_) -> float:
    """The part of `_switch` that quadratic constraints have in it."""
    quadratic, off, effect = walk.model.quadratic, walk.model.offs[site], 0.0
    old, new = here - off, there - off
    begin, end = quadratic.site_starts[site], quadratic.site_starts[site + 1]
    for b in range(begin, end):
        c = quadratic.constraints[b]
        effect += _excess(walk, c, slope_change(walk.slopes, quadratic.firsts[b], old, new)) - _excess(walk, c, 0.0)
    if make:
        add_variable(quadratic, walk.slopes, walk.sums, site, old, -1.0)
        add_variable(quadratic, walk.slopes, walk.sums, site, new, 1.0)
        for b in range(begin, end):
            _mark(walk, quadratic.constraints[b])
    return effect


@inner
def _best_switch(walk: _Walk, choices: NDArray[np.int32]) -> tuple[float, int, int]:
    """Of some sites of a random broken constraint, and some options of each, the switch that lowers violation most.

    Returns:
        The change of the violation, the site, and its option; the site is -1 where there was nothing to look at.
    """
    model, c = walk.model, walk.broken[below(walk.random, ONLY, walk.number[0])]
    first, count = model.member_starts[c], model.member_starts[c + 1] - model.member_starts[c]
    best, best_site, best_option = math.inf, -1, -1
    for _ in range(_TRIED):
        site = model.members[first + below(walk.random, ONLY, count)]
        size = model.sizes[site]
        option = below(walk.random, ONLY, size)
        for _ in range(min(size, 2 * _TRIED)):
            if option != choices[site]:
                effect = _switch(walk, site, choices[site], option, _TRY)
                if effect < best:
                    best, best_site, best_option = effect, site, option
            option = option + 1 if option + 1 < size else 0
    return best, best_site, best_option


@kernel
def _descend(walk: _Walk, choices: NDArray[np.int32], least: NDArray[np.int32], patience: int) -> None:
    """Walk until no constraint is broken, or nothing better comes for long; `least` receives the best state met."""
    for c in range(walk.sums.size):
        if walk.model.member_starts[c] < walk.model.member_starts[c + 1]:
            _mark(walk, c)
    violation, lowest, waited = 0.0, 0.0, 0
    while walk.number[0] > 0 and waited < patience:
        waited += 1
        effect, site, option = _best_switch(walk, choices)
        if site < 0 or (effect > 0.0 and uniform(walk.random, ONLY) >= _NOISE):
            continue
        violation += _switch(walk, site, choices[site], option, _MAKE)
        choices[site] = option
        if violation < lowest - 1e-12 or walk.number[0] == 0:
            lowest, waited = violation, 0
            for a in range(choices.size):
                least[a] = choices[a]


def repair(
    model: ChoiceModel,
    scales: NDArray[np.float64],
    states: NDArray[np.int32],
    rng: np.random.Generator,
    over: Callable[[], bool],
) -> NDArray[np.float64]:
    """Walk from states [k, sites], in place, to ones within the constraints.

    Once one has arrived, every walk that gives up halves the patience of those that follow: one state is needed, others
    are welcome.

    Args:
        model: see there.
        scales: [constraints] > 0, units of violation.
        states: changed in place.
        rng: of every random choice.
        over: True ends the work after the first walk.

    Returns:
        [k] violations that remain, infinite where no walk was made.
    """
    if not len(model.constants):
        return np.zeros(len(states))
    violations = np.full(len(states), np.inf)
    patience = _PATIENCE + _PATIENCE_PER_SITE * states.shape[1]
    for k, state in enumerate(states):
        random = rng.integers(0, 2**64, size=1, dtype=np.uint64)
        violations[k] = min_conflicts(model, scales, state, random, patience)
        if violations[k] > 0.0 and violations.min() == 0.0:
            patience = max(patience // 2, _LEAST_PATIENCE)
        if over():
            break
    return violations


def min_conflicts(
    model: ChoiceModel,
    scales: NDArray[np.float64],
    choices: NDArray[np.int32],
    random: NDArray[np.uint64],
    patience: int,
) -> float:
    """Walk from a state to one within the constraints, or to the least violated one met.

    A broken constraint is drawn, and of some of its sites the switch is made that lowers the violation most; where
    none does, a random one of these now and then (Minton et al. 1992). Constraints without members are as much broken
    in every state, and are not drawn.

    Args:
        model: see there.
        scales: [constraints] > 0, units of violation.
        choices: [sites] changed in place.
        random: [1] generator.
        patience: steps without a new least violation after which it gives up.

    Returns:
        The violation, 0.0 where all constraints hold.
    """
    count = len(model.constants)
    sums, slopes = left_sides(model, choices)
    walk = _Walk(
        model=model,
        scales=scales,
        sums=sums,
        slopes=slopes,
        steps=np.zeros(count),
        broken=np.empty(count, np.int64),
        place=np.full(count, -1),
        number=np.zeros(1, np.int64),
        random=random,
    )
    least = choices.copy()
    _descend(walk, choices, least, patience)
    choices[:] = least
    # From the state alone: what is kept along the way has errors of rounding.
    sums, _ = left_sides(model, least)
    return float((np.maximum(np.maximum(model.lowers - sums, sums - model.uppers), 0.0) / scales).sum())


def left_sides(model: ChoiceModel, choices: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Left sides [constraints] and slopes [entries] of one state [sites]."""
    sums, slopes = np.empty(len(model.constants)), np.empty(model.entries)
    _left_sides(model, choices, sums, slopes)
    return sums, slopes


@kernel
def _left_sides(
    model: ChoiceModel, choices: NDArray[np.int32], sums: NDArray[np.float64], slopes: NDArray[np.float64]
) -> None:
    sum_left_sides(model, choices, sums, slopes)

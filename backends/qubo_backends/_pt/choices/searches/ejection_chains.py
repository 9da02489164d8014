"""Iterated local search by ejection chains: what a tight inequality lets no pair of sites do, a few of them can.

A chain forces one site to another option. If that breaks inequalities, other sites give way until they hold, and sites
take what room is left then. The chain is kept if all of it lowers the energy: exchanges of one for one, of two for one
and of one for two are chains. Where none is left that lowers the energy, a few sites are forced to random options at
once, and the search goes on from there, or from where it was before if that is lower.

Chains are of two kinds, drawn at random. Greedy ones compare what changes bring for their share of what is scarce, so
that a large thing gives way to two small ones. The others take what brings most, and release no more than they have to.

Source: Glover 1996, "Ejection chains, reference structures and alternating path methods for traveling salesman
problems"; Lourenco, Martin & Stutzle 2003, "Iterated local search"; the greedy algorithm is that of Dantzig 1957.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel
from qubo_backends._pt.choices.quadratic_constraints import add_variable
from qubo_backends._pt.choices.replicas import add_factor_row, add_row, add_terms, variable
from qubo_backends._pt.choices.searches.chain_states import (
    BEST,
    CHAIN,
    HERE,
    KICK,
    ChainStates,
    Layout,
    add_products,
    begin,
    copy_state,
    see_slopes,
)
from qubo_backends._pt.random import ONLY, below, uniform
from qubo_backends._shared.jit import inner, kernel

# A kick follows where one option in so many, tried in a row, began no chain that gains.
_PATIENCE = 3
# Sites that a kick forces, at least and at most.
_KICKED = 2, 7
# Share of a violation that a change has to take away, and the least room that shares are taken of.
_RELIEF, _ROOM = 1e-9, 1e-12


@inner
def _same_equality(equalities: NDArray[np.int64], old: int, new: int) -> bool:
    """Return whether two variables (-1: none) have the same equality: all changes keep it."""
    return (equalities[old] if old >= 0 else -1) == (equalities[new] if new >= 0 else -1)


@inner
def _best_change(
    layout: Layout,
    choices: NDArray[np.int32],
    gains: NDArray[np.float64],
    sums: NDArray[np.float64],
    number: int,
    greedy: bool,
    least: float,
) -> tuple[int, int, float]:
    """The change to make next: while constraints are broken one that relieves them, and else one that gains.

    Args:
        layout: of the model.
        choices: [sites] the state.
        gains: [n] see `ChainStates`.
        sums: [constraints] left sides.
        number: sites that this chain or kick forced stay as they are.
        greedy: whether to look at what a change brings for its share of what is scarce.
        least: energy that a gain has to bring.

    Returns:
        Site, -1 where there is none; option; and violation of the state.
    """
    loads, uppers, lowers, units = layout.loads, layout.uppers, layout.lowers, layout.units
    best, site, option, excess = math.inf, -1, -1, 0.0
    for c in range(sums.size):
        excess += max(sums[c] - uppers[c], lowers[c] - sums[c], 0.0) * units[c]
    # What changes the energy by this or more is not looked at.
    bound = math.inf if excess > 0.0 else -least
    for a in range(choices.size):
        if layout.forced[a] == number:
            continue
        off, now = layout.offs[a], choices[a]
        first = layout.firsts[a] - off
        old = first + now if now >= off else -1
        here = gains[old] if old >= 0 else 0.0
        for k in range(layout.sizes[a]):
            new = first + k if k >= off else -1
            delta = (gains[new] if new >= 0 else 0.0) - here
            if delta >= bound or k == now or not _same_equality(layout.equalities, old, new):
                continue
            beyond, share = 0.0, _ROOM
            for c in range(sums.size):
                step = (loads[new, c] if new >= 0 else 0.0) - (loads[old, c] if old >= 0 else 0.0)
                above, beneath = uppers[c] - sums[c], sums[c] - lowers[c]
                beyond += max(step - above, -step - beneath, 0.0) * units[c]
                if greedy and excess > 0.0:
                    share += (-step if above < 0.0 else (step if beneath < 0.0 else 0.0)) * units[c]
                elif greedy:
                    share += max(step / max(above, _ROOM), -step / max(beneath, _ROOM), 0.0)
            if not greedy:
                share = excess - beyond if excess > 0.0 else 1.0
            helps = excess - beyond > _RELIEF * excess if excess > 0.0 else beyond == 0.0
            if helps and share > 0.0 and delta / share < best:
                best, site, option = delta / share, a, k
                if not greedy:
                    # No change relieves more than all.
                    bound = max(best, 0.0) * excess if excess > 0.0 else best
    return site, option, excess


@kernel
def search_chains(model: ChoiceModel, states: ChainStates, shaken: int, least: float, steps: int) -> int:
    """Search from the first state for so many steps, each of which looks at all options.

    Args:
        model: see there.
        states: the first is where to start; the last one receives the best state within the constraints, its energy is
            infinite where there is none.
        shaken: how many options to force first; unlike those of a kick, their sites may give way at once.
        least: energy that a chain has to gain.
        steps: see above.

    Returns:
        The number of kicks.
    """
    begin(model, states)
    order, energies, random, step = states.order, states.energies, states.random, states.step
    choices, gains, sums, slopes = states.choices[HERE], states.gains[HERE], states.sums[HERE], states.slopes[HERE]
    energies[CHAIN] = energies[KICK] = energies[BEST] = math.inf
    layout, number = states.layout, 0
    for a in range(choices.size):
        layout.forced[a] = -1
    kicks, made, at, failed, patience = -1, 0, 0, order.size, max(order.size // _PATIENCE, 1)
    while made < steps:
        number += 1
        kicking, changed, greedy, forcing = failed >= patience, False, True, shaken
        if not kicking:
            at = at + 1 if at + 1 < order.size else 0
            greedy, forcing = uniform(random, ONLY) < 0.5, 1
        elif kicks >= 0:
            # No chain gains any more, or a kick led nowhere.
            if energies[CHAIN] <= energies[KICK] + least:
                copy_state(states, CHAIN, KICK)
            if energies[KICK] == math.inf:
                break
            copy_state(states, KICK, HERE)
            forcing = _KICKED[0] + below(random, ONLY, _KICKED[1] - _KICKED[0] + 1)
        site, excess = 0, math.inf
        while made < steps:
            if forcing > 0:
                forcing -= 1
                p = below(random, ONLY, order.size) if kicking else order[at]
                site = states.sites[p]
                option = p - states.begins[site]
                old, new = variable(model, site, choices[site]), variable(model, site, option)
                if old == new or not _same_equality(model.equalities, old, new):
                    if kicking:
                        continue
                    break
                layout.forced[site] = number if kicks >= 0 else 0
            else:
                made += 1
                if model.quadratic is not None:
                    see_slopes(model, states)
                site, option, excess = _best_change(layout, choices, gains, sums, number, greedy, least)
                if site < 0:
                    break
            changed = True
            # Written out here, since a call that hands over the model takes as long as what it does.
            old, new = variable(model, site, choices[site]), variable(model, site, option)
            choices[site] = option
            for j in range(step.size):
                step[j] = 0.0
            for side in range(2):
                i, sign = (old, -1.0) if side == 0 else (new, 1.0)
                if i >= 0:
                    energies[HERE] += sign * gains[i]
                    add_row(gains, model, i, sign)
                    add_terms(model, sums, i, sign)
                    if model.factor is not None:
                        add_factor_row(model, step, i, sign)
                if model.quadratic is not None:
                    place = i - model.firsts[site] if i >= 0 else -1
                    add_variable(model.quadratic, slopes, sums, site, place, sign)
            if model.factor is not None:
                add_products(model, gains, step, site)
        within = site < 0 and excess == 0.0
        if within and (kicking or energies[HERE] < energies[CHAIN] - least):
            copy_state(states, HERE, CHAIN)
            failed = 0
            if energies[HERE] < energies[BEST]:
                copy_state(states, HERE, BEST)
        elif not kicking:
            failed += 1
            if changed:
                copy_state(states, CHAIN, HERE)
        if kicking:
            kicks += 1
            for k in range(order.size - 1, 0, -1):
                j = below(random, ONLY, k + 1)
                order[k], order[j] = order[j], order[k]
    return kicks

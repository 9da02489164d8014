"""Choices brought within inequalities, many at once.

`qubo_dnn.constraints.repair` moves one site of one state at a time, which is too slow for every child of a population.
The walk of `qubo_backends._pt.choices.feasible_start` does not look at energies, and repaired states without that are
far worse.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qubo_backends._choices.space import Choices, ChoiceSpace, Reals

# Numbers in one array of all switches of some choices.
_AT_A_TIME = 1 << 22


def repair(space: ChoiceSpace, choices: Choices, changes: Callable[[Choices], Reals]) -> Choices:
    """Choices that keep the inequalities, as far as switching sites away from what breaks them does it.

    In every round the switches, at most one for each site, are made in the order of what they cost per unit of
    violation that they take away, until enough is taken away. Choices that keep all inequalities stay as they are.

    Args:
        space: what can be chosen.
        choices: [k, sites].
        changes: of such choices, [k, slots]: what switching a site to a slot costs.
    """
    repaired = choices.copy()
    if not len(space.constants) or not space.sites:
        return repaired
    rows = np.flatnonzero(space.excess(space.activities(repaired)) > 0.0)
    step = max(1, _AT_A_TIME // (len(space.site_of) * len(space.constants)))
    for first in range(0, len(rows), step):
        some = rows[first : first + step]
        # Ends, because every round takes some of the violation away.
        while len(some):
            before = repaired[some]
            repaired[some] = _switched(space, before, changes(before))
            moved = (repaired[some] != before).any(axis=1)
            some = some[moved]
            some = some[space.excess(space.activities(repaired[some])) > 0.0]
    return repaired


def _switched(space: ChoiceSpace, choices: Choices, cost: Reals) -> Choices:
    """One round over choices [k, sites], all of which break something."""
    activities = space.activities(choices)
    broken = space.excess(activities)
    gained = broken[:, None] - space.excess(activities[:, None] + space.steps(choices))
    useful = gained > 1e-12 * broken[:, None]
    ratio = np.where(useful, cost / np.where(useful, gained, 1.0), np.inf)
    best = np.minimum.reduceat(ratio, space.firsts, axis=1)
    switched, single = choices.copy(), choices.copy()
    for row in np.flatnonzero(best.min(axis=1) < np.inf):
        left = broken[row]
        for place, site in enumerate(np.argsort(best[row], kind="stable")):
            if left <= 0.0 or best[row, site] == np.inf:
                break
            option = int(np.argmin(ratio[row, space.firsts[site] : space.firsts[site] + space.sizes[site]]))
            switched[row, site] = option
            if not place:
                single[row, site] = option
            left -= gained[row, space.firsts[site] + option]
    # Switches that help one by one may harm together, by what they do to another constraint, or to each other.
    harmed = space.excess(space.activities(switched)) >= broken
    switched[harmed] = single[harmed]
    return switched

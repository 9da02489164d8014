"""Searches by ejection chains beside the sweeps: how long, from where, and at what pace.

Runs are short most of the time and seldom long, since some problems want many starts and others patience. Every second
one begins where every site takes least of what is scarce, which is then filled greedily. The others begin at a cold
replica, or at the best state known, part of which is drawn anew.

Source of the lengths: Luby, Sinclair & Zuckerman 1993, "Optimal speedup of Las Vegas algorithms"; theirs are those of a
ruler, but for an order that does not matter here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.model import ChoiceModel, least_change
from qubo_backends._pt.choices.searches.chain_states import BEST, HERE, chain_states
from qubo_backends._pt.choices.searches.ejection_chains import search_chains

# Steps of a call for every option: it takes about three for each to see that no chain gains.
_STEPS, _LEAST_STEPS = 50, 6
# Share of the sites that a run draws anew.
_SHAKEN = 0.3
# Additions that a call may take, about a tenth of a second, and that a move of a sweep takes.
_MOST_WORK, _MOVE_WORK = 1e8, 200
# Sweeps as long as which is searched before the first one.
_BEFORE = 100


def chains_help(model: ChoiceModel) -> bool:
    """Return whether a model has inequalities that ration something, and is small enough for a call to end soon."""
    rationed = len(model.members) > model.member_starts[model.inequalities]
    return bool(rationed) and _cost(model)[1] >= _LEAST_STEPS * int(model.sizes.sum())


def _cost(model: ChoiceModel) -> tuple[int, int]:
    """Additions of a step, and steps of a call."""
    options = int(model.sizes.sum())
    work = options * (2 * len(model.constants) + 2) + len(model.linear) * model.rank
    return work, min(_STEPS * options, int(_MOST_WORK / max(work, 1)))


class ChainSearches:
    """Searches one after the other.

    Args:
        model: to be searched.
        scales: [constraints] > 0, units of violation.
        attempts_per_sweep: moves of a sweep, over all replicas.
        rng: of every random choice.

    Attributes: see `qubo_backends._pt.choices.searches.pacing.Kind`; without any use there are no others.
    """

    def __init__(
        self, model: ChoiceModel, scales: NDArray[np.float64], attempts_per_sweep: int, rng: np.random.Generator
    ) -> None:
        work_per_step, self._steps = _cost(model)
        self.useful = chains_help(model)
        self.count = self.moves = 0
        # Sweeps that take as long as a search.
        sweeps = max(-(-self._steps * work_per_step // (_MOVE_WORK * max(attempts_per_sweep, 1))), 1)
        self.wait, self.before = sweeps, max(_BEFORE // sweeps, 1)
        self.least = least_change(model)
        if not self.useful:
            return
        self._model, self._scales, self._rng = model, scales, rng
        self._states = chain_states(model, scales, rng.integers(0, 2**64, size=1, dtype=np.uint64))
        # Runs so far, and calls that are left of the last one.
        self._runs = self._left = 0

    def compile(self) -> None:
        """Compile the kernel that this model needs, or load it from disk."""
        if self.useful:
            search_chains(self._model, self._states, 0, self.least, 0)

    def search(self, known: NDArray[np.int32], cold: NDArray[np.int32] | None) -> tuple[NDArray[np.int32], float]:
        """Search for as long as a call takes; see `Kind.search`. The state is the best one of this run."""
        states, shaken = self._states, 0
        if self._left:
            states.choices[HERE] = states.choices[BEST]
        elif self._runs % 2 == 0:
            states.choices[HERE] = self._lightest(known)
        elif cold is not None and self._rng.integers(2):
            states.choices[HERE] = cold
        else:
            states.choices[HERE], shaken = known, int(np.ceil(_SHAKEN * len(known)))
        if not self._left:
            self._runs += 1
            # The largest power of two that divides the number of the run.
            self._left = self._runs & -self._runs
        self._left -= 1
        self.count += 1
        self.moves += self._steps * len(states.sites)
        search_chains(self._model, states, shaken, self.least, self._steps)
        if not np.isfinite(states.energies[BEST]):
            self._left = 0
        return states.choices[BEST].copy(), float(states.energies[BEST])

    def _lightest(self, state: NDArray[np.int32]) -> NDArray[np.int32]:
        """Change every site to the option that takes least of what inequalities ration, and keeps its equality."""
        model, states = self._model, self._states
        signs = np.where(np.isfinite(model.uppers), 1.0, -1.0) / self._scales
        signs[: model.inequalities] = 0.0
        on = np.ones(len(states.sites), bool)
        on[states.begins[model.offs == 1]] = False
        taken, labels = np.zeros(len(on)), np.full(len(on), -1)
        taken[on], labels[on] = states.layout.loads @ signs, model.equalities
        taken[labels != labels[states.begins + state][states.sites]] = np.inf
        first = np.lexsort((taken, states.sites))[states.begins]
        return (first - states.begins).astype(np.int32)

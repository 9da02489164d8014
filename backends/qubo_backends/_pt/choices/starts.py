"""Where a ladder over choices starts: states within the constraints, temperatures measured on them, and cold states."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.energies import Workspace
from qubo_backends._pt.choices.feasible_start import repair
from qubo_backends._pt.choices.model import ChoiceModel, ChoiceProblem
from qubo_backends._pt.choices.priced_annealing import anneal_at_prices
from qubo_backends._pt.choices.replicas import Replicas, replicas_of
from qubo_backends._pt.choices.separable_start import draw_separable
from qubo_backends._pt.choices.sweeps import PASSES, quench, sum_up, summed_up
from qubo_backends._pt.choices.temperatures import float32_suffices, temperature_range

# States drawn site by site are good where they have this share of what a quench gains.
_NEARLY = 0.8


@dataclass(frozen=True, eq=False)
class Start:
    """What a ladder begins with.

    Attributes:
        states: [replicas, sites] within the constraints.
        quenched: [probes, sites] on which temperatures were measured.
        temperatures: coldest and hottest.
        annealed_from: the temperature that an annealing of the states begins at, None where there is to be none.
        cold: [k, sites] states to `enter` after the annealing, none or more.
        precision: of the projections, float32 or float64.
    """

    states: NDArray[np.int32]
    quenched: NDArray[np.int32]
    temperatures: tuple[float, float]
    annealed_from: float | None
    cold: NDArray[np.int32]
    precision: type[Any]


class Starts:
    """Starts of the replicas of one problem.

    Args:
        choices: the problem.
        rng: of every random choice.
        workspace: scratch, for as many replicas as are to start.
        probing: scratch, for as many states as temperatures are to be measured on.
        temperatures: coldest and hottest, or None to measure them.
        initial_states: [k, n] of 0 and 1 in the problem's order to start from, at the replicas' own temperatures at
            once; those that break constraints are repaired. None to start at random.
        joining: whether replicas start at random, and the initial states take the place of the worst after their
            annealing, where these are worse.
        thorough: of quenches, see there.
        over: True ends the search for starts and the annealing at prices, which take seconds on large problems.

    Attributes:
        annealing: whether replicas start at random.
        least_violated: [n] the least violated state, where an attempt found none within the constraints.
    """

    def __init__(
        self,
        choices: ChoiceProblem,
        rng: np.random.Generator,
        workspace: Workspace,
        probing: Workspace,
        *,
        temperatures: tuple[float, float] | None,
        initial_states: NDArray[np.int8] | None,
        joining: bool,
        thorough: bool,
        over: Callable[[], bool],
    ) -> None:
        self.least_violated: NDArray[np.int8] | None = None
        self._least = math.inf
        self._choices, self._model, self._rng = choices, choices.model, rng
        self._workspace, self._probing = workspace, probing
        self._given, self._thorough, self._over = temperatures, thorough, over
        given = None if initial_states is None else choices.choices(initial_states)
        self._initial = None if joining else given
        self._joining = given if joining else None
        self.annealing = self._initial is None

    def find(self) -> NDArray[np.int32] | None:
        """Look for states [replicas, sites] within the constraints once; None where there is none."""
        shape = len(self._workspace.lanes), len(self._model.firsts)
        if self._initial is not None:
            return self._repair(np.resize(self._initial, shape))
        found = self._repair(self._rng.integers(0, self._model.sizes, shape, dtype=np.int32))
        if found is None and self._joining is not None:
            found = self._repair(np.resize(self._joining, shape))
        return found

    def begin(self, found: NDArray[np.int32]) -> Start:
        """Measure temperatures, and choose what to begin with.

        Args:
            found: see `find`.
        """
        precision: type[Any] = np.float32
        while True:
            probes = self._replicas(np.resize(found, (len(self._probing.lanes), found.shape[1])), precision)
            cold, hot = self._given or temperature_range(
                self._model, probes, self._probing, thorough=self._thorough, over=self._over
            )
            if precision is np.float64 or float32_suffices(self._model, probes.choices, cold):
                break
            precision = np.float64
        states, annealed_from, cold_states = found, None, self._none
        if self.annealing:
            states, annealed_from = self._first_states(found, probes.choices, cold, hot)
            cold_states = self._cold_states(states, cold, precision)
            if self._joining is not None and (joining := self._repair(self._joining.copy())) is not None:
                cold_states = np.concatenate([cold_states, joining])
        return Start(states, probes.choices, (cold, hot), annealed_from, cold_states, precision)

    @property
    def _none(self) -> NDArray[np.int32]:
        return np.empty((0, len(self._model.firsts)), np.int32)

    def _replicas(self, states: NDArray[np.int32], precision: type[Any]) -> Replicas:
        return replicas_of(self._model, states, self._rng, precision)

    def _first_states(
        self, found: NDArray[np.int32], quenched: NDArray[np.int32], cold: float, hot: float
    ) -> tuple[NDArray[np.int32], float]:
        """States that an annealing starts from, and at which temperature.

        Random ones, at the hottest. Where sites drawn by themselves halfway down are nearly as good as a quench of
        random ones, these: then couplings are a correction, and there is nothing to learn from the heat.
        """
        model, halfway, probes = self._model, float(np.sqrt(cold * hot)), len(quenched)
        if not found.size:
            return found, hot
        drawn = self._repair(draw_separable(model, halfway, len(found), self._rng))
        if drawn is None:
            return found, hot
        random, alone, low = (
            summed_up(model, some[:probes], self._rng, self._workspace).energies.mean()
            for some in (found, drawn, quenched)
        )
        return (drawn, halfway) if random - alone > _NEARLY * (random - low) > 0.0 else (found, hot)

    def _cold_states(self, states: NDArray[np.int32], cold: float, precision: type[Any]) -> NDArray[np.int32]:
        """[k, sites] quenched states at prices for what inequalities ration; none where there are no inequalities.

        Some have sites that were drawn by themselves, the others were annealed at prices. Within constraints an
        annealing changes two sites at a time and may end far above both.

        Args:
            states: [replicas, sites] to anneal.
            cold: coldest temperature.
            precision: of the projections.
        """
        model, probes = self._model, len(self._probing.lanes)
        if model.inequalities or not len(model.members):
            return self._none
        annealed = self._replicas(states, precision)
        anneal_at_prices(model, annealed, self._choices.constraints.scales, cold, self._workspace, self._over)
        within = self._repair(np.concatenate([draw_separable(model, cold, probes, self._rng), annealed.choices]))
        if within is None:
            return self._none
        quenched = []
        for some, workspace in ((within[:probes], self._probing), (within[probes:], self._workspace)):
            replicas = self._replicas(some, precision)
            quench(model, replicas, cold, PASSES, workspace, thorough=self._thorough, over=self._over)
            quenched.append(replicas.choices)
        return np.concatenate(quenched)

    def _repair(self, starts: NDArray[np.int32]) -> NDArray[np.int32] | None:
        """[k, sites] states within the constraints, changed from `starts`; None where none could be found."""
        violations = repair(self._model, self._choices.constraints.scales, starts, self._rng, self._over)
        good = np.flatnonzero(violations == 0.0)
        if not len(good):
            if violations.min() < self._least:
                self._least = float(violations.min())
                self.least_violated = self._choices.states(starts[[np.argmin(violations)]])[0]
            return None
        starts[violations > 0.0] = starts[np.resize(good, len(starts) - len(good))]
        return starts


def enter(model: ChoiceModel, replicas: Replicas, states: Replicas, workspace: Workspace) -> None:
    """Put states in place of the worst replicas, where these are worse.

    Args:
        model: see there.
        replicas: changed in place.
        states: with their energies.
        workspace: for as many as `replicas`.
    """
    for state, energy in zip(states.choices, states.energies, strict=True):
        worst = int(np.argmax(replicas.energies))
        if energy < replicas.energies[worst]:
            replicas.choices[worst] = state
            replicas.energies[worst] = energy
    sum_up(model, replicas, workspace)

"""The ladder of replicas over choices: advanced sweep by sweep, with searches and polished copies between them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_backends._pt.choices.energies import new_workspace
from qubo_backends._pt.choices.model import ChoiceProblem, least_change
from qubo_backends._pt.choices.replicas import Replicas, replicas_of
from qubo_backends._pt.choices.schedule import Schedule
from qubo_backends._pt.choices.searches.pacing import Searches
from qubo_backends._pt.choices.searches.portfolio import CHAIN, kinds_of_search
from qubo_backends._pt.choices.starts import Starts, enter
from qubo_backends._pt.choices.sweeps import PASSES, ladder_of, quench, run_sweeps, summed_up
from qubo_backends._pt.elite import Elite
from qubo_backends._pt.ladder import forget
from qubo_backends._pt.ledger import Ledger

# What finds states: starts within the constraints, the given ones among them, with the annealing at prices; sweeps and
# quenches; and searches.
START, SWEEPS = "start", "sweeps"
# Sweeps between two offers to the elite, and such blocks between two quenches.
_BLOCK, _POLISHED = 16, 4
# Copies of the coldest states that are quenched for the elite, and states that temperatures are measured on.
_PROBES = 4
# Attempts to find a state within the constraints; after these the least violated is the answer.
_ATTEMPTS = 8


class ChoiceEngine:
    """One ladder of replicas of one constrained problem, advanced sweep by sweep.

    What it does depends on its seed and on the number of sweeps alone, never on how these are cut into calls of
    `advance`. Where no start within the constraints is found, every further sweep is another attempt to find one.

    Args:
        choices: the problem.
        num_replicas: temperatures, one replica at each.
        seed: of every random choice.
        keep: states that the elite keeps.
        temperatures, initial_states, joining, over: see `Starts`.
        target: energy, without the offset, at which `reached` becomes true.

    Attributes:
        elite: the best different states so far, all within the constraints.
        attempts: moves offered so far, over all replicas.
        attempts_per_sweep: 0 where the constraints leave no move.
        sweeps: made so far.
        sweeping: seconds that they took.
        improved: sweeps after which the best state was found.
        settled: True, since nothing restarts.
    """

    settled = True

    def __init__(
        self,
        choices: ChoiceProblem,
        *,
        num_replicas: int,
        seed: np.random.SeedSequence,
        keep: int = 1,
        temperatures: tuple[float, float] | None = None,
        initial_states: NDArray[np.int8] | None = None,
        joining: bool = False,
        target: float = -math.inf,
        over: Callable[[], bool] = lambda: False,
    ) -> None:
        self.choices = choices
        self._target = target
        self.elite = Elite(keep)
        self.attempts = self.sweeps = self.improved = 0
        self.sweeping = 0.0
        self._rng = np.random.default_rng(seed)
        self._spacing = temperatures is None
        self._workspace, self._polishing = (new_workspace(choices.model, count) for count in (num_replicas, _PROBES))
        self.attempts_per_sweep = num_replicas * sum(self._workspace.moves)
        self._replicas: Replicas | None = None
        self._begun = self._counted_from = 0
        self._energies = np.empty((_BLOCK, num_replicas))
        self._least_change = least_change(choices.model)
        kinds = kinds_of_search(choices.model, choices.constraints.scales, self.attempts_per_sweep, self._rng)
        self._searches = {name: Searches(kind, _BLOCK) for name, kind in kinds.items()}
        self.ledger = Ledger([START, SWEEPS, *self._searches], self._least_change)
        # Chains bring more than all pairs do, in less time.
        self._thorough = not kinds[CHAIN].useful
        self._over = over
        self._starts = Starts(
            choices,
            self._rng,
            self._workspace,
            self._polishing,
            temperatures=temperatures,
            initial_states=initial_states,
            joining=joining,
            thorough=self._thorough,
            over=over,
        )
        self._start()

    @property
    def found_by(self) -> str | None:
        """See `Engine.found_by`."""
        return self.ledger.found_by

    @property
    def least_violated(self) -> NDArray[np.int8] | None:
        """[n] what to answer while the elite is empty; None once there are replicas within the constraints."""
        return self._starts.least_violated if self._replicas is None else None

    @property
    def reached(self) -> bool:
        """Return whether nothing is left to do: no move is possible, the target is met, or no start can be found."""
        gave_up = self.least_violated is not None and self.sweeps >= _ATTEMPTS
        return gave_up or not self.attempts_per_sweep or self.elite.best_energy <= self._target

    def advance(self, sweeps: int) -> None:
        """See `qubo_backends._pt.drive.Engine.advance`."""
        end = self.sweeps + sweeps
        while self.sweeps < end:
            if self._replicas is None:
                if self.elite.best_energy <= self._target:
                    return
                self.sweeps += 1
                self._start()
                continue
            done = (self.sweeps - self._begun) % _BLOCK
            first = self.sweeps - self._begun
            steps = min(end - self.sweeps, _BLOCK - done)
            for name, searches in self._searches.items():
                if searches.sweeps_left(first) <= 0:
                    self._search(name, first)
                    if self.elite.best_energy <= self._target:
                        return
                steps = int(min(steps, searches.sweeps_left(first)))
            annealing = self._schedule.annealing(first)
            if annealing is None:
                self._ladder.betas[:] = self._schedule.betas
            else:
                # All replicas anneal at one temperature.
                steps, self._ladder.betas[:] = 1, annealing
            energies, started = self._energies[done : done + steps], time.perf_counter()
            run_sweeps(self.choices.model, self._replicas, self._ladder, first, energies, self._workspace)
            self.sweeping += time.perf_counter() - started
            self.sweeps += steps
            self.attempts += steps * self.attempts_per_sweep
            self.ledger.did(SWEEPS, steps * self.attempts_per_sweep, calls=steps)
            if done + steps == _BLOCK:
                self._after_block()

    def report(self) -> dict[str, Any]:
        """See `qubo_backends._pt.drive.Engine.report`; coldest temperature first."""
        if self._replicas is None:
            return {"temperatures": [], "move_acceptance": [], "exchange_acceptance": [], "round_trips": 0}
        ladder, sweeps = self._ladder, max(self.sweeps - self._counted_from, 1)
        return {
            "temperatures": (1.0 / self._schedule.betas).tolist(),
            "move_acceptance": (self._replicas.moves / (sweeps * max(sum(self._workspace.moves), 1))).tolist(),
            "exchange_acceptance": (ladder.accepted[:-1] / np.maximum(ladder.offered[:-1], 1)).tolist(),
            "round_trips": int(ladder.trips[0]),
            **{f"{name}_searches": searches.kind.count for name, searches in self._searches.items()},
        }

    def _start(self) -> None:
        """Look for states within the constraints; where there are some, search from them, and begin to sweep."""
        found = self._starts.find()
        if found is None:
            return
        self._begun = self.sweeps
        self.ledger.did(START, 0)
        self._offer(found, START)
        if self._starts.annealing:
            for name, searches in self._searches.items():
                for _ in range(searches.kind.before if searches.kind.useful else 0):
                    if not (self.reached or self._over()):
                        self._search(name, 0)
        if self.reached:
            return
        model, start = self.choices.model, self._starts.begin(found)
        self._schedule = Schedule(*start.temperatures, len(found), start.annealed_from)
        self._cold = start.cold
        self._offer(self._cold, START)
        self._replicas = replicas_of(model, start.states, self._rng, start.precision)
        self._ladder = ladder_of(self._replicas, self._schedule.betas.copy(), self._rng)
        self._copies = replicas_of(model, start.quenched, self._rng, start.precision)
        self._offer(start.quenched, START)

    def _after_block(self) -> None:
        """Offer states and quenched copies to the elite; space the temperatures while they are not settled."""
        assert self._replicas is not None
        replicas, first = self._replicas, self.sweeps - self._begun
        self._offer(replicas.choices[replicas.energies < self.elite.bar], SWEEPS)
        self._note(replicas.energies)
        if first == _BLOCK or first % (_POLISHED * _BLOCK) == 0:
            count = len(self._copies.choices)
            self._copies.choices[:] = replicas.choices[np.resize(self._ladder.at[:count], count)]
            coldest = 1.0 / self._schedule.betas[0]
            quench(
                self.choices.model,
                self._copies,
                coldest,
                PASSES,
                self._polishing,
                thorough=self._thorough,
                over=self._over,
            )
            self._offer(self._copies.choices, SWEEPS)
            self._note(self._copies.energies)
        if self._spacing:
            if self._schedule.annealed(first) and len(self._cold):
                enter(self.choices.model, replicas, self._summed_up(self._cold), self._workspace)
            if self._schedule.settled(first):
                self._forget()
            self._schedule.space(first, self._energies)

    def _note(self, energies: NDArray[np.float64]) -> None:
        """Note the energies of states that sweeps or a quench reached."""
        for searches in self._searches.values():
            searches.note(float(energies.min()))

    def _search(self, name: str, sweeps: int) -> None:
        """Search from what is known and from one of the coldest replicas, by turns; so many sweeps after the start."""
        cold, searches = None, self._searches[name]
        if self._replicas is not None:
            replica = self._ladder.at[searches.kind.count // 2 % max(len(self._ladder.at) // 4, 1)]
            cold = self._replicas.choices[replica]
        known = self.choices.choices(self.elite.states[0][None])[0] if self.elite.states else cold
        if known is None:
            return
        before = searches.kind.moves
        found, energy = searches.search(sweeps, known, cold)
        self.ledger.did(name, searches.kind.moves - before)
        if energy < self.elite.bar:
            self._offer(found[None], name)

    def _forget(self) -> None:
        """Count from here on, but let replicas keep their temperatures."""
        assert self._replicas is not None
        forget(self._ladder)
        for counted in (self._ladder.headed, self._ladder.trips, self._replicas.moves):
            counted[:] = 0
        self._counted_from = self.sweeps

    def _summed_up(self, states: NDArray[np.int32]) -> Replicas:
        return summed_up(self.choices.model, states, self._rng, self._workspace)

    def _offer(self, choices: NDArray[np.int32], finder: str) -> None:
        """Offer states to the elite, with exact energies; those that rounding let leave the constraints are not.

        Args:
            choices: [k, sites] of the states.
            finder: name in the ledger of what found them.
        """
        if not len(choices):
            return
        exact = self._summed_up(choices)
        lowers, uppers = self.choices.constraints.bounds()
        kept = np.flatnonzero(np.all((lowers <= exact.sums) & (exact.sums <= uppers), axis=1))
        best = self.elite.best_energy
        for state, energy in zip(self.choices.states(choices[kept]), exact.energies[kept].tolist(), strict=True):
            self.elite.offer(state, energy)
        if self.elite.best_energy < best - self._least_change:
            self.improved = self.sweeps
            self.ledger.found(finder, self.elite.best_energy)
